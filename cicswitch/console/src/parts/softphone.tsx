// The phone in the browser: a bar over the page, on every page of an agent who wants it.

import { useEffect, useRef, useState } from "preact/hooks";
import { span } from "../format";
import { t } from "../i18n";
import * as soft from "../softphone";
import { useClock } from "./data";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

export function Softphone() {
  const at = soft.phone.value;
  useEffect(() => {
    if (soft.wanted()) void soft.start();
    return soft.leave;
  }, []);
  const words = {
    off: t("phone_off"),
    starting: t("loading"),
    ready: t("phone_ready"),
    broken: t("phone_broken"),
    refused: t("phone_refused"),
  };
  const on = at.state !== "off";
  return (
    <section class="phone card" aria-label={t("phone")}>
      <div class="row">
        <strong>{t("phone")}</strong>
        <span role="status" class={at.state === "ready" ? "fresh good" : on ? "fresh bad" : "quiet"}>
          {words[at.state]}
          {at.why && `: ${at.why}`}
        </span>
        <span class="grow" />
        {at.state === "ready" && !at.calls.length && <Dial />}
        {on && <Devices />}
        <button onClick={() => (on ? soft.stop() : void soft.start())}>
          {on ? t("phone_stop") : t("phone_start")}
        </button>
      </div>
      {at.calls.map((each) => (
        <OneCall key={each.id} call={each} />
      ))}
    </section>
  );
}

function Dial() {
  const [number, setNumber] = useState("");
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        soft.call(number);
      }}
    >
      <input
        aria-label={t("number")}
        placeholder={t("number")}
        value={number}
        inputMode="tel"
        onInput={(event) => setNumber(event.currentTarget.value)}
      />
      <button class="primary" disabled={!number}>
        {t("phone_call")}
      </button>
      <button type="button" disabled={!number} onClick={() => soft.call(number, true)}>
        {t("phone_video")}
      </button>
    </form>
  );
}

function Devices() {
  const [open, setOpen] = useState(false);
  const kinds = [
    ["audioinput", "microphone", t("phone_microphone")],
    ["audiooutput", "speaker", t("phone_speaker")],
    ["videoinput", "camera", t("phone_camera")],
  ] as const;
  const at = soft.chosen();
  return (
    <>
      <button class="plain" aria-expanded={open} onClick={() => setOpen(!open)}>
        {t("phone_devices")}
      </button>
      {open && (
        <div class="row choices">
          {kinds.map(([kind, name, word]) => (
            <label key={kind}>
              {word}{" "}
              <select
                value={at[name] ?? ""}
                onChange={(event) => soft.choose({ [name]: event.currentTarget.value })}
              >
                <option value="">{t("phone_default")}</option>
                {soft.devices.value
                  .filter((each) => each.kind === kind)
                  .map((each) => (
                    <option key={each.deviceId} value={each.deviceId}>
                      {each.label || each.deviceId.slice(0, 8)}
                    </option>
                  ))}
              </select>
            </label>
          ))}
        </div>
      )}
    </>
  );
}

function OneCall(props: { call: soft.Call }) {
  const { call } = props;
  const [keys, setKeys] = useState(false);
  const [target, setTarget] = useState<string | null>(null);
  useClock();
  const talks = call.state === "talking";
  const word = { ringing: t("phone_rings"), calling: t("phone_calling"), talking: t("phone_talks"), ended: "" };
  return (
    <div class={`row call ${call.state}`} data-state={call.state}>
      <Player call={call} />
      <span>
        <strong>{call.name || call.number}</strong>{" "}
        <span class="quiet">
          {call.name ? `${call.number} · ` : ""}
          {call.held ? t("phone_held") : word[call.state]} ·{" "}
          {span((Date.now() - call.since) / 1000)}
        </span>
      </span>
      {talks && <Meters />}
      <span class="grow" />
      {call.state === "ringing" && (
        <>
          <button class="primary" onClick={() => soft.answer(call.id)}>
            {t("phone_answer")}
          </button>
          <button onClick={() => soft.answer(call.id, true)}>{t("phone_answer_video")}</button>
        </>
      )}
      {talks && (
        <>
          <button aria-pressed={call.held} onClick={() => soft.hold(call.id)}>
            {call.held ? t("phone_resume") : t("phone_hold")}
          </button>
          <button aria-pressed={call.muted} onClick={() => soft.mute(call.id)}>
            {t("phone_mute")}
          </button>
          <button aria-expanded={keys} onClick={() => setKeys(!keys)}>
            {t("phone_keys")}
          </button>
          <button onClick={() => setTarget(target === null ? "" : null)}>{t("phone_transfer")}</button>
        </>
      )}
      <button class="danger" onClick={() => soft.hangUp(call.id)}>
        {call.state === "ringing" ? t("phone_refuse") : t("hang_up")}
      </button>
      {talks && keys && (
        <div class="keys" role="group" aria-label={t("phone_keys")}>
          {KEYS.map((key) => (
            <button key={key} onClick={() => soft.digit(call.id, key)}>
              {key}
            </button>
          ))}
        </div>
      )}
      {talks && target !== null && (
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            soft.transfer(call.id, target);
            setTarget(null);
          }}
        >
          <input
            aria-label={t("phone_transfer_to")}
            placeholder={t("phone_transfer_to")}
            value={target}
            onInput={(event) => setTarget(event.currentTarget.value)}
          />
          <button class="primary" disabled={!target}>
            {t("phone_transfer")}
          </button>
        </form>
      )}
    </div>
  );
}

function Player(props: { call: soft.Call }) {
  const { call } = props;
  const theirs = useRef<HTMLVideoElement>(null);
  const own = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (theirs.current && theirs.current.srcObject !== call.theirs) {
      theirs.current.srcObject = call.theirs;
      soft.speak(theirs.current);
    }
    if (own.current && own.current.srcObject !== call.own) own.current.srcObject = call.own;
  });
  const shows = Boolean(call.own?.getVideoTracks().length);
  return (
    <span class={call.video || shows ? "pictures" : "pictures none"}>
      <video ref={theirs} data-call={call.id} autoPlay playsInline aria-label={t("phone_theirs")} />
      <video
        ref={own}
        class={shows ? "own" : "own none"}
        autoPlay
        playsInline
        muted
        aria-label={t("phone_own")}
      />
    </span>
  );
}

function Meters() {
  const { own, theirs } = soft.levels.value;
  return (
    <span class="meters">
      <meter aria-label={t("phone_microphone")} min={0} max={1} value={own} />
      <meter aria-label={t("phone_speaker")} min={0} max={1} value={theirs} />
    </span>
  );
}
