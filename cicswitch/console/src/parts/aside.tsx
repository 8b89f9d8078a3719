// Contacts in writing that are put aside, and until when a customer is to have his answer.

import { useState } from "preact/hooks";
import { ask } from "../api";
import { moment, span } from "../format";
import { t } from "../i18n";
import { switchNow } from "../live";
import type { InteractionView } from "../types";
import { act, who } from "../writing";
import { attempt, Choice, Field, Form, Table } from "./basics";
import { useClock } from "./data";

/** Until when it is to be answered, in red where that has passed. */
export function Due(props: { of: InteractionView }) {
  useClock();
  const { due_at: at, phase } = props.of;
  if (!at) return null;
  const left = at - switchNow();
  const late = left < 0 && phase !== "snoozed";
  return (
    <span class={late ? "bad" : "quiet"} title={moment(at)}>
      {late ? t("overdue_by", { time: span(-left) }) : t("due_in", { time: span(left) })}
    </span>
  );
}

/** A time as a field for it has it, and back. */
const seconds = (given: FormDataEntryValue | null): number =>
  new Date(String(given ?? "")).getTime() / 1000;

export function Snooze(props: { of: InteractionView; onClose: () => void }) {
  const [when, setWhen] = useState("hour");
  return (
    <Form
      title={t("snooze")}
      action={t("snooze")}
      onClose={props.onClose}
      onDone={(data) =>
        act(props.of, "snooze", when === "until" ? { until: seconds(data.get("until")) } : { preset: when })
      }
    >
      <Choice
        label={t("snooze_until")}
        chosen={when}
        options={[
          ["hour", t("snooze_hour")],
          ["tomorrow", t("snooze_tomorrow")],
          ["until", t("snooze_other")],
        ]}
        onChange={(event) => setWhen(event.currentTarget.value)}
      />
      {when === "until" && <Field label={t("snooze_time")} name="until" type="datetime-local" required />}
      <p class="quiet">{t("snooze_text")}</p>
    </Form>
  );
}

export function SetDue(props: { of: InteractionView; onClose: () => void; onDone?: () => unknown }) {
  return (
    <Form
      title={t("due_set")}
      action={t("save")}
      onClose={props.onClose}
      onDone={async (data) => {
        const due_at = data.get("due") ? seconds(data.get("due")) : null;
        await ask("POST", `/interactions/${encodeURIComponent(props.of.interaction)}/due`, { due_at });
        await props.onDone?.();
      }}
    >
      <Field label={t("due")} name="due" type="datetime-local" hint={t("due_hint")} />
    </Form>
  );
}

/** What one has put aside oneself. */
export function Later(props: { all: InteractionView[]; onDone: () => unknown }) {
  const aside = props.all.filter((each) => each.phase === "snoozed");
  if (!aside.length) return null;
  const wake = async (of: InteractionView) => {
    await attempt(() => act(of, "wake"));
    await props.onDone();
  };
  return (
    <section class="card" aria-label={t("state_snoozed")}>
      <h2>{t("snooze")}</h2>
      <Table
        label={t("state_snoozed")}
        items={aside}
        id={(each) => each.interaction}
        empty={t("nothing")}
        columns={[
          { head: t("caller"), cell: (each) => who(each) },
          { head: t("chat_subject"), cell: (each) => each.subject },
          { head: t("queue"), cell: (each) => each.queue },
          {
            head: t("snooze_until"),
            by: (each) => each.snoozed_until,
            cell: (each) => moment(each.snoozed_until),
          },
          {
            head: t("actions"),
            cell: (each) => <button onClick={() => wake(each)}>{t("wake")}</button>,
          },
        ]}
      />
    </section>
  );
}
