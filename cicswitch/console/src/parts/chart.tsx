// A chart. What it shows is in a table beside it too.

import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { moment, ticks } from "../format";
import { t } from "../i18n";
import { language, theme } from "../settings";

export type Line = { label: string; color: string; values: (number | null)[]; bars?: boolean };

/** Lines over time; `at` in seconds of the epoch. */
export function Chart(props: {
  label: string;
  at: number[];
  lines: Line[];
  format: (value: number) => string;
  least?: number;
  most?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const root = box.current;
    if (!root) return;
    let plot: uPlot | undefined;
    const draw = () => {
      plot?.destroy();
      const style = getComputedStyle(document.documentElement);
      const color = (name: string) => style.getPropertyValue(name).trim();
      const grid = { stroke: color("--line"), width: 1 };
      const axis = { stroke: color("--quiet"), grid, ticks: grid };
      plot = new uPlot(
        {
          width: root.clientWidth,
          height: 220,
          cursor: { drag: { x: false, y: false } },
          scales: {
            y: { range: (_, low, high) => [props.least ?? Math.min(0, low), props.most ?? Math.max(1, high * 1.1)] },
          },
          axes: [
            { ...axis, values: (_, times) => ticks(times) },
            { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => props.format(tick)) },
          ],
          series: [
            { label: t("at"), value: (_: uPlot, at: number | null) => (at === null ? "–" : moment(at)) },
            ...props.lines.map((line) => ({
              label: line.label,
              stroke: color(line.color),
              width: 2,
              fill: line.bars ? `${color(line.color)}33` : undefined,
              paths: line.bars ? uPlot.paths.bars?.({ size: [0.7, 60] }) : undefined,
              points: { show: !line.bars },
              value: (_: uPlot, value: number | null) => (value === null ? "–" : props.format(value)),
            })),
          ],
        },
        [props.at, ...props.lines.map((line) => line.values)],
        root,
      );
    };
    const size = new ResizeObserver(() => plot?.setSize({ width: root.clientWidth, height: 220 }));
    size.observe(root);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    const end = effect(() => {
      void [theme.value, language.value];
      draw();
    });
    return () => {
      end();
      dark.removeEventListener("change", draw);
      size.disconnect();
      plot?.destroy();
    };
  }, [props.at, props.lines]);
  return <div class="chart" ref={box} role="img" aria-label={props.label} />;
}
