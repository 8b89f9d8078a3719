// What an agent has of a customer: the offer with its time, what is known, the note, his own day.

import { useEffect, useState } from "preact/hooks";
import { ask, get, may } from "../api";
import { count, known, percent, span } from "../format";
import { t } from "../i18n";
import { type SwitchEvent, switchNow } from "../live";
import type { AgentToday, AgentView, CustomerView, InteractionView, NoteView } from "../types";
import { attempt, Tile } from "./basics";
import { useClock, useLive, useRead } from "./data";
import { About, History, Link, pathOf } from "./person";

const MOST = 2000;

/** An offer: how long there is to answer it. */
export function Deadline(props: { agent: AgentView }) {
  useClock();
  const { deadline, since } = props.agent;
  if (!deadline) return null;
  const left = Math.max(0, deadline - switchNow());
  return (
    <p class="deadline">
      <progress
        aria-label={t("time_to_answer")}
        max={Math.max(1, deadline - since)}
        value={left}
      />{" "}
      <span role="timer">{t("left_to_answer", { time: span(Math.ceil(left)) })}</span>
    </p>
  );
}

/** Who it is, and what he called and wrote for before. */
export function Customer(props: { of: InteractionView }) {
  const { of } = props;
  const [linked, setLinked] = useState("");
  const key = linked || of.customer_id || "";
  const { value: person } = useRead(
    async () => (key && may("customers:read") ? await get<CustomerView>(pathOf(key)) : null),
    [key],
  );
  return (
    <section class="card customer" aria-label={t("customer")}>
      <h2>{person?.name || of.customer_name || of.caller_name || of.caller || of.peer}</h2>
      {of.customer_sure === false && <p class="note bad">{t("customer_unsure")}</p>}
      <dl>
        {person ? (
          <About of={person} />
        ) : (
          <>
            <dt>{t("number")}</dt>
            <dd>{of.caller || "–"}</dd>
          </>
        )}
        {(of.segment || person?.segment) && (
          <>
            <dt>{t("segment")}</dt>
            <dd>{of.segment || person?.segment}</dd>
          </>
        )}
        {known(of).map(([key, value]) => (
          <>
            <dt>{key}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
      {!key && <Link of={of} onLinked={setLinked} />}
      <History of={key || of.caller} turn={of.interaction} />
    </section>
  );
}

/** The note to what is in hand. */
export function Note(props: { interaction: string }) {
  const path = `/interactions/${encodeURIComponent(props.interaction)}/note`;
  const [text, setText] = useState<string | null>(null);
  const [tag, setTag] = useState("");
  const [saved, setSaved] = useState(false);
  const read = async () => {
    const found = await ask<NoteView>("GET", path);
    setText(found.value.text);
    setTag(found.tag);
  };
  useEffect(() => {
    setText(null);
    setSaved(false);
    void attempt(read);
  }, [path]);
  const save = () =>
    attempt(async () => {
      const kept = await ask<NoteView>("PUT", path, { text: text ?? "" }, tag);
      setTag(kept.tag);
      setSaved(true);
    });
  return (
    <section class="card">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <label class="field">
          <span>{t("note")}</span>
          <textarea
            rows={4}
            maxLength={MOST}
            value={text ?? ""}
            disabled={text === null}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setSaved(false);
            }}
          />
        </label>
        <div class="row">
          <button class="primary" disabled={text === null}>
            {t("save_note")}
          </button>
          <span role="status">{saved && t("note_saved")}</span>
        </div>
      </form>
    </section>
  );
}

/** His own figures of today. */
export function OwnDay(props: { agent: string }) {
  const path = `/agents/${encodeURIComponent(props.agent)}/today`;
  const { value } = useLive(
    () => get<AgentToday>(path),
    (event: SwitchEvent) => event.type === "WrapUpEnded" && event.agent === props.agent,
    [path],
    30_000,
  );
  if (!value) return null;
  return (
    <section aria-label={t("own_day")}>
      <h2>{t("own_day")}</h2>
      <div class="tiles">
        <Tile label={t("handled")} value={count(value.handled)} />
        <Tile label={t("aht")} value={span(value.aht_s)} />
        <Tile label={t("talk_time")} value={span(value.talk_s)} />
        <Tile label={t("hold_time")} value={span(value.hold_s)} />
        <Tile label={t("wrap_up_time")} value={span(value.wrap_up_s)} />
        <Tile label={t("occupancy")} value={percent(value.occupancy)} />
        <Tile label={t("rona")} value={count(value.missed)} />
      </div>
    </section>
  );
}
