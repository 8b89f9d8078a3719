// Alerts: those that are open, and the last that have ended.

import { may } from "../api";
import { moment, span } from "../format";
import { t } from "../i18n";
import { switchNow } from "../live";
import { acknowledge, alerts, figureOf, severityOf, shown } from "../parts/alerts";
import { type Column, State, Table } from "../parts/basics";
import { useClock } from "../parts/data";
import type { AlertView } from "../types";

export function Alerts() {
  useClock();
  const known = alerts.value;
  if (!known) return <p class="quiet">{t("loading")}</p>;
  const common: Column<AlertView>[] = [
    {
      head: t("severity"),
      by: (each) => each.severity,
      cell: (each) => <State state={each.severity} text={severityOf(each)} />,
    },
    { head: t("alert_rule"), by: (each) => each.name, cell: (each) => each.name },
    { head: t("alert_subject"), by: (each) => each.subject, cell: (each) => each.subject || "–" },
    { head: t("figure"), by: (each) => each.figure, cell: figureOf },
    { head: t("value"), numeric: true, cell: (each) => shown(each, each.value) },
    {
      head: t("threshold"),
      numeric: true,
      cell: (each) => `${each.direction === "above" ? ">" : "<"} ${shown(each, each.threshold)}`,
    },
    {
      head: t("alert_since"),
      by: (each) => each.raised_at,
      cell: (each) => moment(each.raised_at),
    },
  ];
  return (
    <>
      <h1>{t("alerts")}</h1>
      <Table
        label={t("alerts")}
        items={known.filter((each) => each.ended_at === null)}
        id={(each) => each.alert}
        empty={t("no_alerts")}
        columns={[
          ...common,
          {
            head: t("alert_lasts"),
            numeric: true,
            by: (each) => -each.raised_at,
            cell: (each) => span(switchNow() - each.raised_at),
          },
          {
            head: t("acknowledged_by"),
            by: (each) => each.acknowledged_by,
            cell: (each) =>
              each.acknowledged_by ||
              (may("alerts:write") && (
                <button type="button" onClick={() => void acknowledge(each)}>
                  {t("acknowledge")}
                </button>
              )),
          },
        ]}
      />
      <h2>{t("alerts_ended")}</h2>
      <Table
        label={t("alerts_ended")}
        items={known.filter((each) => each.ended_at !== null)}
        id={(each) => each.alert}
        empty={t("nothing")}
        columns={[
          ...common,
          {
            head: t("alert_lasted"),
            numeric: true,
            cell: (each) => span((each.ended_at ?? 0) - each.raised_at),
          },
          { head: t("acknowledged_by"), cell: (each) => each.acknowledged_by || "–" },
        ]}
      />
    </>
  );
}
