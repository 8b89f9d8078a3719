// A player of a recording: the customer above, the agent below.

import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api";
import { percent, span } from "../format";
import { t } from "../i18n";
import type { RecordingView, Waveform } from "../types";
import { Choice, tell } from "./basics";
import { useRead } from "./data";
import { Film } from "./film";
import { Wave } from "./wave";

const SPEEDS = ["0.5", "0.75", "1", "1.25", "1.5", "2"];
const STEP_S = 5;
const QUIET = 0.02;

/** The part of the time in which a channel is not silent. */
const share = (channel: number[]): number =>
  channel.filter((peak) => peak > QUIET).length / Math.max(1, channel.length);

export function Player(props: { of: RecordingView }) {
  const { of } = props;
  const path = `/recordings/${encodeURIComponent(of.recording)}`;
  const audio = useRef<HTMLAudioElement>(null);
  const sound = useRef<{ context: AudioContext; gains: GainNode[] } | null>(null);
  const [playing, setPlaying] = useState(false);
  const [at, setAt] = useState(0);
  const [heard, setHeard] = useState([true, true]);
  const { value: wave } = useRead(() => get<Waveform>(`${path}/waveform?points=1000`), [path]);
  const length = of.duration_s ?? 0;
  const names = [t("customer"), of.kind === "voicemail" ? t("switch_says") : t("agent")];

  useEffect(
    () => () => {
      audio.current?.pause();
      void sound.current?.context.close();
    },
    [],
  );

  useEffect(() => {
    let frame = 0;
    const follow = () => {
      if (audio.current) setAt(audio.current.currentTime);
      frame = requestAnimationFrame(follow);
    };
    if (playing) follow();
    return () => cancelAnimationFrame(frame);
  }, [playing]);

  useEffect(() => {
    sound.current?.gains.forEach((gain, index) => {
      gain.gain.value = heard[index] ? 1 : 0;
    });
  }, [heard]);

  /** Both channels on both ears, each with a volume of its own. Browsers want a click first. */
  const begin = () => {
    if (sound.current || !audio.current) return;
    const context = new AudioContext();
    const splitter = context.createChannelSplitter(2);
    context.createMediaElementSource(audio.current).connect(splitter);
    const gains = [0, 1].map((channel) => {
      const gain = context.createGain();
      gain.gain.value = heard[channel] ? 1 : 0;
      splitter.connect(gain, channel);
      gain.connect(context.destination);
      return gain;
    });
    sound.current = { context, gains };
  };

  const toggle = async () => {
    const element = audio.current;
    if (!element) return;
    if (!element.paused) return element.pause();
    begin();
    await sound.current?.context.resume();
    await element.play().catch(() => undefined); // `onError` tells
  };

  const seek = (to: number) => {
    const place = Math.min(Math.max(0, to), length);
    if (audio.current) audio.current.currentTime = place;
    setAt(place);
  };

  const press = (event: KeyboardEvent) => {
    const on = event.target as HTMLElement;
    if (["SELECT", "INPUT"].includes(on.tagName) || event.ctrlKey || event.altKey) return;
    const to = { ArrowLeft: at - STEP_S, ArrowRight: at + STEP_S, Home: 0, End: length }[event.key];
    if (to !== undefined) seek(to);
    else if (event.key === " " && !["BUTTON", "A"].includes(on.tagName)) void toggle();
    else return;
    event.preventDefault();
  };

  return (
    <div class="player" onKeyDown={press}>
      <audio
        ref={audio}
        src={`/api/v1${path}/audio`}
        preload="none"
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onEnded={() => setPlaying(false)}
        onError={() => {
          setPlaying(false);
          tell(t("cannot_play"));
        }}
      />
      {of.videos.length > 0 && (
        <div class="films">
          {of.videos.map((each) => (
            <Film
              key={each.side}
              audio={audio}
              src={`/api/v1${path}/video/${each.side}`}
              start={each.start_s}
              file={`${of.recording}.${each.side}.webm`}
              name={each.side === "customer" ? t("video_of_customer") : t("video_of_agent")}
            />
          ))}
        </div>
      )}
      <Wave wave={wave} names={names} at={at} length={length} onSeek={seek} />
      <p class="quiet">
        {wave
          ? t("wave_text", {
              first: names[0] ?? "",
              a: percent(share(wave.channels[0] ?? [])),
              second: names[1] ?? "",
              b: percent(share(wave.channels[1] ?? [])),
            })
          : t("loading")}{" "}
        {t("player_keys", { seconds: STEP_S })}
      </p>
      <div class="row">
        <button class="primary" onClick={() => void toggle()}>
          {playing ? t("stop_playing") : t("play")}
        </button>
        <output class="position">
          {span(at)} / {span(length)}
        </output>
        <Choice
          label={t("speed")}
          chosen="1"
          options={SPEEDS.map((speed) => [speed, `${speed} ×`])}
          onChange={(event) => {
            if (audio.current) audio.current.playbackRate = Number(event.currentTarget.value);
          }}
        />
        <fieldset>
          <legend>{t("heard")}</legend>
          {names.map((name, channel) => (
            <label class="check" key={channel}>
              <input
                type="checkbox"
                checked={heard[channel]}
                onChange={(event) => {
                  const on = event.currentTarget.checked;
                  setHeard(heard.map((each, index) => (index === channel ? on : each)));
                }}
              />{" "}
              {name}
            </label>
          ))}
        </fieldset>
        <a class="download" href={`/api/v1${path}/audio`} download={`${of.recording}.wav`}>
          {t("download")}
        </a>
      </div>
    </div>
  );
}
