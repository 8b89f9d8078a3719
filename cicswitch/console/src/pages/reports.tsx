// Figures of a period, with their formulas.

import { useMemo, useState } from "preact/hooks";
import { get } from "../api";
import { count, day, midnight, percent, span } from "../format";
import { t } from "../i18n";
import { attempt, Choice, Field, Table } from "../parts/basics";
import { Chart } from "../parts/chart";
import type { ReportView } from "../types";

export function Reports() {
  const [report, setReport] = useState<ReportView | null>(null);
  const [busy, setBusy] = useState(false);
  const show = async (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const query = new URLSearchParams({
      since: midnight(String(data.get("since"))),
      until: midnight(String(data.get("until"))),
      by: String(data.get("by")),
    });
    if (data.get("interval")) query.set("interval_s", String(data.get("interval")));
    setBusy(true);
    await attempt(async () => setReport(await get<ReportView>(`/reports?${query}`)));
    setBusy(false);
  };
  return (
    <>
      <h1>{t("reports")}</h1>
      <form class="card row" onSubmit={show}>
        <Field label={t("since")} name="since" type="date" required defaultValue={day(0)} />
        <Field label={t("until")} name="until" type="date" required defaultValue={day(1)} />
        <Choice
          label={t("by")}
          name="by"
          options={[
            ["queue", t("by_queue")],
            ["segment", t("by_segment")],
          ]}
        />
        <Choice
          label={t("interval")}
          name="interval"
          chosen="1800"
          options={[
            ["", t("none")],
            ["900", t("minutes", { n: 15 })],
            ["1800", t("minutes", { n: 30 })],
            ["3600", t("hour")],
            ["86400", t("day")],
          ]}
        />
        <button class="primary" disabled={busy}>
          {busy ? t("loading") : t("show")}
        </button>
      </form>
      {report && <Figures report={report} />}
    </>
  );
}

function Figures(props: { report: ReportView }) {
  const { report } = props;
  const intervals = report.intervals ?? [];
  const at = useMemo(() => intervals.map((each) => each.begin), [report]);
  const calls = useMemo(() => {
    const sum = (of: "offered" | "answered" | "abandoned") =>
      intervals.map((each) => each.queues.reduce((n, queue) => n + queue[of], 0));
    return [
      { label: t("offered"), color: "--blue", values: sum("offered"), bars: true },
      { label: t("answered"), color: "--green", values: sum("answered") },
      { label: t("abandoned"), color: "--red", values: sum("abandoned") },
    ];
  }, [report]);
  const level = useMemo(() => {
    const names = [...new Set(intervals.flatMap((each) => each.queues.map((q) => q.queue)))];
    const colors = ["--blue", "--green", "--orange", "--purple", "--red"];
    return names.slice(0, colors.length).map((name, index) => ({
      label: name,
      color: colors[index] ?? "--blue",
      values: intervals.map(
        (each) => each.queues.find((queue) => queue.queue === name)?.service_level ?? null,
      ),
    }));
  }, [report]);
  return (
    <>
      {report.queues.length === 0 && <p class="quiet">{t("no_figures")}</p>}
      {intervals.length > 1 && (
        <section class="card">
          <h2>{t("chart_calls")}</h2>
          <Chart label={`${t("chart_calls")}. ${t("chart_text")}`} at={at} lines={calls} format={count} />
          <h2>{t("chart_level")}</h2>
          <Chart
            label={`${t("chart_level")}. ${t("chart_text")}`}
            at={at}
            lines={level}
            format={percent}
            least={0}
            most={1}
          />
        </section>
      )}
      <h2>{t("queues")}</h2>
      <Table
        label={t("queues")}
        items={report.queues}
        id={(each) => each.queue}
        empty={t("nothing")}
        columns={[
          { head: t("queue"), by: (q) => q.queue, cell: (q) => q.queue },
          {
            head: t("service_level"),
            hint: report.formulas.service_level,
            numeric: true,
            by: (q) => q.service_level,
            cell: (q) => percent(q.service_level),
          },
          { head: t("offered"), numeric: true, by: (q) => q.offered, cell: (q) => count(q.offered) },
          { head: t("answered"), numeric: true, by: (q) => q.answered, cell: (q) => count(q.answered) },
          {
            head: t("abandoned"),
            hint: report.formulas.abandon_rate,
            numeric: true,
            by: (q) => q.abandoned,
            cell: (q) => `${count(q.abandoned)} (${percent(q.abandon_rate)})`,
          },
          { head: t("flowed_out"), numeric: true, cell: (q) => count(q.flow_outs) },
          { head: t("asa"), hint: report.formulas.asa_s, numeric: true, cell: (q) => span(q.asa_s) },
          { head: t("max_wait"), numeric: true, cell: (q) => span(q.max_wait_s) },
          { head: t("aht"), hint: report.formulas.aht_s, numeric: true, cell: (q) => span(q.aht_s) },
          {
            head: t("reply_level"),
            hint: report.formulas.reply_level,
            numeric: true,
            by: (q) => q.reply_level,
            cell: (q) => (q.replies ? `${percent(q.reply_level)} (${count(q.replies)})` : "–"),
          },
          { head: t("reply_time"), hint: report.formulas.reply_s, numeric: true, cell: (q) => span(q.reply_s) },
        ]}
      />
      <h2>{t("agents")}</h2>
      <Table
        label={t("agents")}
        items={report.agents}
        id={(each) => each.agent}
        empty={t("nothing")}
        columns={[
          { head: t("agent"), by: (a) => a.agent, cell: (a) => a.agent },
          { head: t("handled"), numeric: true, by: (a) => a.handled, cell: (a) => count(a.handled) },
          { head: t("answered"), numeric: true, by: (a) => a.answered, cell: (a) => count(a.answered) },
          { head: t("rona"), numeric: true, by: (a) => a.rona, cell: (a) => count(a.rona) },
          { head: t("aht"), numeric: true, by: (a) => a.aht_s, cell: (a) => span(a.aht_s) },
          {
            head: t("occupancy"),
            hint: report.formulas.occupancy,
            numeric: true,
            by: (a) => a.occupancy,
            cell: (a) => percent(a.occupancy),
          },
          {
            head: t("signed_in"),
            numeric: true,
            by: (a) => a.signed_in_s,
            cell: (a) => span(a.signed_in_s),
          },
        ]}
      />
      <details>
        <summary>{t("formula")}</summary>
        <dl>
          {Object.entries(report.formulas).map(([name, formula]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <code>{formula}</code>
              </dd>
            </div>
          ))}
        </dl>
      </details>
    </>
  );
}
