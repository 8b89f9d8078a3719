// The waveform of two channels, and the place in it: a slider.

import { useEffect, useRef, useState } from "preact/hooks";
import { span } from "../format";
import { t } from "../i18n";
import { theme } from "../settings";
import type { Waveform } from "../types";

const HEIGHT = 160;
const COLORS = ["--blue", "--purple"];

export function Wave(props: {
  wave: Waveform | null;
  names: string[];
  at: number;
  length: number;
  onSeek: (to: number) => void;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const size = new ResizeObserver(() => setWidth(element.clientWidth));
    size.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const again = () => setTurn((n) => n + 1);
    dark.addEventListener("change", again);
    return () => {
      size.disconnect();
      dark.removeEventListener("change", again);
    };
  }, []);

  useEffect(() => {
    const pen = canvas.current?.getContext("2d");
    if (!pen || !canvas.current || !width) return;
    const scale = window.devicePixelRatio || 1;
    canvas.current.width = width * scale;
    canvas.current.height = HEIGHT * scale;
    pen.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const place = props.length ? (props.at / props.length) * width : 0;
    (props.wave?.channels ?? []).slice(0, 2).forEach((peaks, channel) => {
      const middle = HEIGHT * (channel ? 0.75 : 0.25);
      pen.fillStyle = color(COLORS[channel] ?? "--blue");
      const step = width / peaks.length;
      peaks.forEach((peak, index) => {
        pen.globalAlpha = index * step < place ? 1 : 0.55;
        const half = Math.max(0.5, Math.sqrt(peak) * (HEIGHT / 4 - 4)); // quiet voices are seen too
        pen.fillRect(index * step, middle - half, Math.max(1, step - 0.3), half * 2);
      });
    });
    pen.globalAlpha = 1;
    pen.fillStyle = color("--line");
    pen.fillRect(0, HEIGHT / 2, width, 1);
    pen.fillStyle = color("--red");
    pen.fillRect(Math.min(place, width - 2), 0, 2, HEIGHT);
  }, [props.wave, props.at, props.length, width, turn, theme.value]);

  return (
    <div class="wave">
      <div class="sides" aria-hidden="true">
        {props.names.map((name) => (
          <span key={name}>{name}</span>
        ))}
      </div>
      <canvas
        ref={canvas}
        style={{ height: `${HEIGHT}px` }}
        role="slider"
        tabIndex={0}
        aria-label={t("position")}
        aria-valuemin={0}
        aria-valuemax={Math.round(props.length)}
        aria-valuenow={Math.round(props.at)}
        aria-valuetext={`${span(props.at)} / ${span(props.length)}`}
        onPointerDown={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          props.onSeek(((event.clientX - box.left) / box.width) * props.length);
        }}
      />
    </div>
  );
}
