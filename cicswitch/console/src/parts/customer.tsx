// What an agent has of a customer: the offer with its time, what is known, the note, his own day.

import { useEffect, useState } from "preact/hooks";
import { ask, get } from "../api";
import { count, known, moment, percent, span } from "../format";
import { t } from "../i18n";
import { type SwitchEvent, switchNow } from "../live";
import type { AgentToday, AgentView, ContactView, InteractionView, NoteView } from "../types";
import { attempt, Table, Tile } from "./basics";
import { useClock, useLive, useRead } from "./data";

const SHOWN = 5;
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

/** Who it is, and what he called for before. */
export function Customer(props: { of: InteractionView }) {
  const { of } = props;
  const path = `/customers/${encodeURIComponent(of.caller)}/history?limit=${SHOWN}`;
  const { value: history } = useRead(
    async () => (of.caller ? (await get<{ items: ContactView[] }>(path)).items : []),
    [path, of.interaction],
  );
  return (
    <section class="card customer" aria-label={t("customer")}>
      <h2>{of.caller_name || of.caller || of.peer}</h2>
      <dl>
        <dt>{t("number")}</dt>
        <dd>{of.caller || "–"}</dd>
        {of.segment && (
          <>
            <dt>{t("segment")}</dt>
            <dd>{of.segment}</dd>
          </>
        )}
        {known(of).map(([key, value]) => (
          <>
            <dt>{key}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
      <h3>{t("history")}</h3>
      <Table
        label={t("history")}
        items={history ?? []}
        id={(each) => each.interaction}
        empty={history ? t("no_history") : t("loading")}
        columns={[
          { head: t("at"), cell: (each) => moment(each.started_at) },
          { head: t("queue"), cell: (each) => each.queue },
          { head: t("agent"), cell: (each) => each.agent },
          { head: t("talk_time"), numeric: true, cell: (each) => span(each.talk_s) },
          { head: t("wrap_up_code"), cell: (each) => each.code || each.outcome },
          {
            head: t("note"),
            cell: (each) => (
              <>
                <span class="kept">{each.note}</span>
                {each.recorded && <span class="quiet"> ({t("recorded")})</span>}
              </>
            ),
          },
        ]}
      />
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
