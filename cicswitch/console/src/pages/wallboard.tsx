// The wallboard: all queues at a glance, and what calls for attention.

import { open } from "../parts/alerts";
import { useState } from "preact/hooks";
import { list, may } from "../api";
import { count, percent, span } from "../format";
import { stateWord, t } from "../i18n";
import type { SwitchEvent } from "../live";
import { Field, Form, State, Table, Tile } from "../parts/basics";
import { useLive } from "../parts/data";
import { link } from "../router";
import { limits } from "../settings";
import type { AgentView, QueueView } from "../types";

const abandoned = (queue: QueueView): number | null =>
  queue.offered ? queue.abandoned / queue.offered : null;

const alertsOf = (queue: QueueView): string[] => {
  const { wait_s, service_level, abandoned: most } = limits.value;
  const name = queue.queue;
  const share = abandoned(queue);
  const found: string[] = [];
  if (queue.waiting && !queue.signed_in)
    found.push(t("alert_nobody", { queue: name, count: queue.waiting }));
  if (queue.waiting && queue.longest_wait_s > wait_s)
    found.push(t("alert_wait", { queue: name, time: span(queue.longest_wait_s) }));
  if (typeof queue.service_level === "number" && queue.service_level < service_level)
    found.push(t("alert_level", { queue: name, share: percent(queue.service_level) }));
  if (share !== null && share > most)
    found.push(t("alert_abandoned", { queue: name, share: percent(share) }));
  return found;
};

export function Wallboard() {
  const queues = useLive(
    () => list<QueueView>("/queues"),
    (event) => event.type.startsWith("Interaction") || event.type.startsWith("Queue"),
  ).value;
  const agents = useLive(
    () => (may("agents:read") ? list<AgentView>("/agents", 20_000) : Promise.resolve([])),
    (event) => event.type === "AgentChanged",
    [],
    60_000,
    follow,
  ).value;
  const [setting, setSetting] = useState(false);
  if (!queues) return <p class="quiet">{t("loading")}</p>;

  const sum = (of: (queue: QueueView) => number) => queues.reduce((n, q) => n + of(q), 0);
  const offered = sum((q) => q.offered);
  const waiting = sum((q) => q.waiting);
  const longest = Math.max(0, ...queues.map((q) => (q.waiting ? q.longest_wait_s : 0)));
  // Queues weigh by their calls.
  const judged = queues.filter((q) => typeof q.service_level === "number" && q.offered > 0);
  const level = judged.length
    ? judged.reduce((n, q) => n + (q.service_level ?? 0) * q.offered, 0) /
      judged.reduce((n, q) => n + q.offered, 0)
    : null;
  const alerts = queues.flatMap(alertsOf);
  const bad = (found: boolean) => (found ? "bad" : "");

  return (
    <>
      <header class="page">
        <h1>{t("wallboard")}</h1>
        <div class="row">
          <button onClick={() => setSetting(true)}>{t("limits")}</button>
          <button onClick={() => void document.documentElement.requestFullscreen()}>
            {t("wall")}
          </button>
        </div>
      </header>
      <section class="tiles" aria-label={t("today")}>
        <Tile label={t("waiting")} value={count(waiting)} />
        <Tile
          label={t("longest")}
          value={waiting ? span(longest) : "–"}
          class={bad(longest > limits.value.wait_s)}
        />
        <Tile
          label={t("service_level_today")}
          value={percent(level)}
          class={bad(level !== null && level < limits.value.service_level)}
        />
        <Tile label={t("answered_today")} value={count(sum((q) => q.answered))} />
        <Tile
          label={t("abandoned_today")}
          value={percent(offered ? sum((q) => q.abandoned) / offered : null)}
          class={bad(offered > 0 && sum((q) => q.abandoned) / offered > limits.value.abandoned)}
        />
      </section>
      {may("agents:read") && <States agents={agents ?? []} />}
      <section class={alerts.length ? "alerts some" : "alerts"} aria-label={t("alerts")}>
        {alerts.length ? (
          <ul>
            {alerts.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        ) : (
          !open().length && <p class="quiet">{t("no_alerts")}</p>
        )}
      </section>
      <Table
        label={t("queues")}
        items={queues}
        id={(queue) => queue.queue}
        empty={t("nothing")}
        columns={[
          {
            head: t("queue"),
            by: (q) => q.queue,
            cell: (q) => (
              <>
                <a href={link("queues", q.queue)}>{q.queue}</a>
                {!q.open && <span class="badge">{t("closed")}</span>}
              </>
            ),
          },
          { head: t("waiting"), numeric: true, by: (q) => q.waiting, cell: (q) => count(q.waiting) },
          {
            head: t("longest"),
            numeric: true,
            by: (q) => (q.waiting ? q.longest_wait_s : 0),
            cell: (q) => (q.waiting ? span(q.longest_wait_s) : "–"),
            class: (q) => bad(q.waiting > 0 && q.longest_wait_s > limits.value.wait_s),
          },
          {
            head: t("ewt"),
            hint: t("ewt_hint"),
            numeric: true,
            by: (q) => q.ewt_p50_s,
            cell: (q) => `${span(q.ewt_p50_s)} / ${span(q.ewt_p90_s)}`,
          },
          {
            head: t("idle_of"),
            numeric: true,
            by: (q) => q.signed_in,
            cell: (q) => `${count(q.idle)} / ${count(q.signed_in)}`,
            class: (q) => bad(!q.signed_in && q.waiting > 0),
          },
          {
            head: t("service_level"),
            numeric: true,
            by: (q) => q.service_level,
            cell: (q) => percent(q.service_level),
            class: (q) =>
              bad(
                typeof q.service_level === "number" &&
                  q.service_level < limits.value.service_level,
              ),
          },
          { head: t("asa"), numeric: true, by: (q) => q.asa_s, cell: (q) => span(q.asa_s) },
          { head: t("offered"), numeric: true, by: (q) => q.offered, cell: (q) => count(q.offered) },
          {
            head: t("abandoned"),
            numeric: true,
            by: (q) => abandoned(q),
            cell: (q) => `${count(q.abandoned)} (${percent(abandoned(q))})`,
            class: (q) => bad((abandoned(q) ?? 0) > limits.value.abandoned),
          },
        ]}
      />
      {setting && (
        <Form
          title={t("limits")}
          action={t("save")}
          onClose={() => setSetting(false)}
          onDone={async (data) => {
            limits.value = {
              wait_s: Number(data.get("wait")),
              service_level: Number(data.get("level")) / 100,
              abandoned: Number(data.get("abandoned")) / 100,
            };
          }}
        >
          <Field
            label={t("limit_wait")}
            name="wait"
            type="number"
            min={1}
            required
            defaultValue={String(limits.value.wait_s)}
          />
          <Field
            label={t("limit_level")}
            name="level"
            type="number"
            min={0}
            max={100}
            required
            defaultValue={String(Math.round(limits.value.service_level * 100))}
          />
          <Field
            label={t("limit_abandoned")}
            name="abandoned"
            type="number"
            min={0}
            max={100}
            required
            defaultValue={String(Math.round(limits.value.abandoned * 100))}
          />
        </Form>
      )}
    </>
  );
}

/** Agents as they are after these events. */
export function follow(agents: AgentView[], events: SwitchEvent[]): AgentView[] {
  const last = new Map(events.map((event) => [event.agent, event]));
  return agents.map((agent) => {
    const event = last.get(agent.agent);
    // `since` is rounded to a millisecond.
    if (!event || event.at + 0.001 < agent.since) return agent;
    const { state, code, interaction, queue } = event as unknown as AgentView;
    return {
      ...agent,
      state,
      since: event.at,
      code: code ?? "",
      interaction: interaction ?? "",
      queue: queue ?? "",
    };
  });
}

/** How many agents are in each state. */
export function States(props: {
  agents: AgentView[];
  chosen?: string;
  onChoose?: (state: string) => void;
}) {
  const counts = new Map<string, number>();
  for (const agent of props.agents) counts.set(agent.state, (counts.get(agent.state) ?? 0) + 1);
  return (
    <ul class="states" aria-label={t("agents")}>
      {[...counts].sort().map(([state, n]) => (
        <li key={state}>
          {props.onChoose ? (
            <button
              class="plain"
              aria-pressed={props.chosen === state}
              onClick={() => props.onChoose?.(props.chosen === state ? "" : state)}
            >
              <State state={state} text={`${stateWord(state)} ${count(n)}`} />
            </button>
          ) : (
            <State state={state} text={`${stateWord(state)} ${count(n)}`} />
          )}
        </li>
      ))}
    </ul>
  );
}
