// Who is to be called back, and who is not to be called.

import { useState } from "preact/hooks";
import { ask, list, may } from "../api";
import { moment, span } from "../format";
import { stateWord, t } from "../i18n";
import { switchNow } from "../live";
import { attempt, Field, Form, Table } from "../parts/basics";
import { OrderCallback } from "../parts/callback";
import { useClock, useLive, useRead } from "../parts/data";
import { link } from "../router";
import type { BlockedView, CallbackView, QueueView } from "../types";

export function Callbacks() {
  const { value, again } = useLive(
    () => list<CallbackView>("/callbacks"),
    (event) => event.type.startsWith("Interaction") || event.type.startsWith("Callback"),
  );
  const { value: queues } = useRead(() => list<QueueView>("/queues"));
  const [ordering, setOrdering] = useState(false);
  useClock();
  return (
    <>
      <header class="page">
        <h1>{t("callbacks")}</h1>
        {may("callbacks:order") && (
          <button class="primary" onClick={() => setOrdering(true)}>
            {t("order_callback")}
          </button>
        )}
      </header>
      <Table
        label={t("callbacks")}
        items={value ?? []}
        id={(each) => each.interaction}
        empty={value ? t("no_callbacks") : t("loading")}
        columns={[
          { head: t("number"), by: (each) => each.number, cell: (each) => each.number },
          { head: t("name"), by: (each) => each.name, cell: (each) => each.name || "–" },
          {
            head: t("queue"),
            by: (each) => each.queue,
            cell: (each) => <a href={link("queues", each.queue)}>{each.queue}</a>,
          },
          { head: t("state"), by: (each) => each.state, cell: (each) => stateWord(each.state) },
          {
            head: t("not_before"),
            by: (each) => Math.max(each.not_before, each.queued_at),
            cell: (each) => {
              const at = Math.max(each.not_before, each.queued_at);
              return at > switchNow() ? moment(at) : "–";
            },
          },
          {
            head: t("waited"),
            numeric: true,
            by: (each) => -each.queued_at,
            cell: (each) => span(Math.max(0, switchNow() - each.queued_at)),
          },
          { head: t("attempts"), numeric: true, cell: (each) => each.attempts },
          {
            head: t("until"),
            cell: (each) => (each.expires_at ? moment(each.expires_at) : "–"),
          },
          { head: t("note"), cell: (each) => each.note || "–" },
          { head: t("asked_by"), cell: (each) => each.by.replace(/^\w+:/, "") || t("customer") },
          {
            head: t("actions"),
            cell: (each) =>
              may("callbacks:write") && (
                <button
                  class="danger"
                  aria-label={`${t("cancel_callback")} ${each.number}`}
                  onClick={async () => {
                    await attempt(() => ask("DELETE", `/callbacks/${each.interaction}`));
                    await again();
                  }}
                >
                  {t("cancel")}
                </button>
              ),
          },
        ]}
      />
      <Blocked />
      {ordering && (
        <OrderCallback queues={queues ?? []} onClose={() => setOrdering(false)} onDone={again} />
      )}
    </>
  );
}

function Blocked() {
  const { value, again } = useRead(() => list<BlockedView>("/do-not-call"));
  const [adding, setAdding] = useState(false);
  return (
    <section>
      <header class="page">
        <h2>{t("do_not_call")}</h2>
        {may("callbacks:write") && <button onClick={() => setAdding(true)}>{t("add_number")}</button>}
      </header>
      <Table
        label={t("do_not_call")}
        items={value ?? []}
        id={(each) => each.number}
        empty={value ? t("nothing") : t("loading")}
        columns={[
          { head: t("number"), by: (each) => each.number, cell: (each) => each.number },
          { head: t("since"), by: (each) => each.at, cell: (each) => moment(each.at) },
          {
            head: t("by"),
            by: (each) => each.by,
            cell: (each) => (each.by === "customer" ? t("customer") : each.by.replace(/^\w+:/, "")),
          },
          { head: t("note"), cell: (each) => each.note || "–" },
          {
            head: t("actions"),
            cell: (each) =>
              may("callbacks:write") && (
                <button
                  aria-label={`${t("remove")} ${each.number}`}
                  onClick={async () => {
                    const path = `/do-not-call/${encodeURIComponent(each.number)}`;
                    await attempt(() => ask("DELETE", path));
                    await again();
                  }}
                >
                  {t("remove")}
                </button>
              ),
          },
        ]}
      />
      {adding && (
        <Form
          title={t("do_not_call")}
          action={t("add_number")}
          onClose={() => setAdding(false)}
          onDone={async (data) => {
            const body = { number: String(data.get("number")), note: String(data.get("note")) };
            await ask("POST", "/do-not-call", body);
            await again();
          }}
        >
          <Field label={t("number")} name="number" type="tel" required maxLength={40} />
          <Field label={t("note")} name="note" maxLength={200} />
        </Form>
      )}
    </section>
  );
}
