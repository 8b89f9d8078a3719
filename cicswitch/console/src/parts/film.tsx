// The video of one side of a recording, in step with its sound.

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";

/** How far it may be from the sound before it jumps there. */
const APART_S = 0.2;

export function Film(props: {
  audio: RefObject<HTMLAudioElement | null>;
  src: string;
  start: number;
  name: string;
  file: string;
}) {
  const { audio, src, start, name, file } = props;
  const film = useRef<HTMLVideoElement>(null);

  useEffect(() => {
    const sound = audio.current;
    const picture = film.current;
    if (!sound || !picture) return;
    const follow = () => {
      const to = sound.currentTime - start;
      const running = !sound.paused && to >= 0 && !(to > picture.duration);
      picture.playbackRate = sound.playbackRate;
      if (Math.abs(picture.currentTime - Math.max(0, to)) > APART_S && !picture.seeking)
        picture.currentTime = Math.max(0, to);
      if (running && picture.paused) void picture.play().catch(() => undefined);
      else if (!running && !picture.paused) picture.pause();
    };
    const events = ["play", "pause", "seeked", "timeupdate", "ratechange", "ended"];
    events.forEach((each) => sound.addEventListener(each, follow));
    return () => events.forEach((each) => sound.removeEventListener(each, follow));
  }, [audio, start]);

  return (
    <figure>
      <video ref={film} src={src} preload="none" muted playsInline aria-label={name} />
      <figcaption>
        {name}{" "}
        <a href={src} download={file}>
          {t("download")}
        </a>
      </figcaption>
    </figure>
  );
}
