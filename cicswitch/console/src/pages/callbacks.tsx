// Who is to be called back.

import { ask, list, may } from "../api";
import { moment, span } from "../format";
import { stateWord, t } from "../i18n";
import { switchNow } from "../live";
import { attempt, Table } from "../parts/basics";
import { useClock, useLive } from "../parts/data";
import { link } from "../router";
import type { CallbackView } from "../types";

export function Callbacks() {
  const { value, again } = useLive(
    () => list<CallbackView>("/callbacks"),
    (event) => event.type.startsWith("Interaction") || event.type.startsWith("Callback"),
  );
  useClock();
  return (
    <>
      <h1>{t("callbacks")}</h1>
      <Table
        label={t("callbacks")}
        items={value ?? []}
        id={(each) => each.interaction}
        empty={value ? t("no_callbacks") : t("loading")}
        columns={[
          { head: t("number"), by: (each) => each.number, cell: (each) => each.number },
          {
            head: t("queue"),
            by: (each) => each.queue,
            cell: (each) => <a href={link("queues", each.queue)}>{each.queue}</a>,
          },
          { head: t("state"), cell: (each) => stateWord(each.state) },
          {
            head: t("place"),
            numeric: true,
            by: (each) => each.position,
            cell: (each) => each.position ?? "–",
          },
          {
            head: t("waited"),
            numeric: true,
            by: (each) => -each.queued_at,
            cell: (each) => span(switchNow() - each.queued_at),
          },
          { head: t("attempts"), numeric: true, cell: (each) => each.attempts },
          { head: t("until"), cell: (each) => moment(each.expires_at) },
          {
            head: t("actions"),
            cell: (each) =>
              may("callbacks:write") && (
                <button
                  class="danger"
                  onClick={async () => {
                    await attempt(() => ask("DELETE", `/callbacks/${each.interaction}`));
                    await again();
                  }}
                >
                  {t("cancel_callback")}
                </button>
              ),
          },
        ]}
      />
    </>
  );
}
