// An agent's own page: what he is, what he does next, what came of it.

import { useState } from "preact/hooks";
import { ask, get, list, may, me } from "../api";
import { count, known, named, span } from "../format";
import { mediumWord, stateWord, t } from "../i18n";
import { type SwitchEvent, switchNow } from "../live";
import { Later } from "../parts/aside";
import { attempt, Choice, Field, State, Table } from "../parts/basics";
import { OrderCallback } from "../parts/callback";
import { Capacity } from "../parts/capacity";
import { Customer, Deadline, Note, OwnDay } from "../parts/customer";
import { useClock, useLive, useRead } from "../parts/data";
import { WriteFirst } from "../parts/starting";
import { OwnTalk, talks } from "../parts/talk";
import { Writing } from "../parts/writing";
import type { AgentView, Codes, InteractionView, QueueView } from "../types";
import { talks as conversations } from "../writing";
import { Pause } from "./agents";

export function Desk() {
  const name = me.value?.account.agent ?? "";
  if (name) return <OfAgent name={name} />;
  return (
    <>
      <h1>{t("desk")}</h1>
      <p class="quiet">{t("no_agent")}</p>
    </>
  );
}

function OfAgent(props: { name: string }) {
  const path = `/agents/${encodeURIComponent(props.name)}`;
  const own = (event: SwitchEvent) => event.agent === props.name;
  const { value: agent, again } = useLive(() => get<AgentView>(path), own, [path], 3000);
  const { value: codes } = useRead(() => get<Codes>("/codes"));
  const { value: inHand, again: lookAgain } = useLive(
    () => list<InteractionView>(`/interactions?agent=${encodeURIComponent(props.name)}`),
    own,
    [path],
    3000,
  );
  const { value: queues } = useLive(
    () => list<QueueView>("/queues"),
    (event) => event.type.startsWith("Interaction"),
  );
  const [code, setCode] = useState("");
  const [ordering, setOrdering] = useState(false);
  const [device, setDevice] = useState("");
  useClock();
  if (!agent) return <p class="quiet">{t("loading")}</p>;

  const act = async (what: string, body?: unknown) => {
    await attempt(() => ask("POST", `${path}/${what}`, body));
    await again();
  };
  const outcomes = [...new Set(Object.values(codes?.wrap_up ?? {}))];
  const wraps = agent.state === "wrap-up";
  const written = new Set([
    ...(inHand ?? []).filter((each) => each.conversation).map((each) => each.interaction),
    ...Object.values(conversations.value).map((each) => each.of.interaction),
  ]);
  const calls = (inHand ?? []).filter((each) => !each.conversation);
  const works = ["talking", "holding", "handling", "wrap-up"].includes(agent.state);
  return (
    <>
      <h1>{t("desk")}</h1>
      <section class={`card own ${agent.state}`} aria-live="polite">
        <div class="label">{t("own_state")}</div>
        <div class="big">
          <State state={agent.state} text={stateWord(agent.state)} />
          {agent.code && <span class="quiet"> {agent.code}</span>}
        </div>
        <div class="quiet" aria-live="off">
          {t("since_time", { time: span(switchNow() - agent.since) })}
          {agent.then && ` · ${t("then")}: ${agent.then}`}
        </div>
        {agent.state === "alerting" && !written.has(agent.interaction) && (
          <>
            <p class="offer">{t("desk_offer", { queue: agent.queue })}</p>
            <div aria-live="off">
              <Deadline agent={agent} />
            </div>
          </>
        )}
        <div class="row">
          {agent.state === "offline" ? (
            <>
              <Field
                label={t("work_phone")}
                hint={t("work_phone_hint")}
                placeholder={agent.device}
                value={device}
                onInput={(event) => setDevice(event.currentTarget.value)}
              />
              <button
                class="primary"
                onClick={async () => {
                  await attempt(async () => {
                    const wanted = { device: device.trim() };
                    if (wanted.device) await ask("PUT", `${path}/device`, wanted);
                    await ask("POST", `${path}/sign-in`);
                  });
                  await again();
                }}
              >
                {t("sign_in")}
              </button>
            </>
          ) : (
            <>
              <button class="primary" onClick={() => act("ready")}>
                {t("ready")}
              </button>
              <Pause codes={codes} onChoose={(chosen) => act("pause", { code: chosen })} />
              <button onClick={() => act("sign-out")}>{t("sign_out")}</button>
            </>
          )}
          {may("callbacks:order") && (
            <button onClick={() => setOrdering(true)}>{t("order_callback")}</button>
          )}
          {may("conversations:start") && <WriteFirst />}
        </div>
        {works && outcomes.length > 0 && !written.has(agent.interaction) && (
          <div class="row">
            <Choice
              label={t("wrap_up_code")}
              options={[["", "–"], ...outcomes.map((each): [string, string] => [each, each])]}
              chosen={code}
              onChange={(event) => setCode(event.currentTarget.value)}
            />
            <button
              disabled={!code}
              onClick={async () => {
                await act("wrap-up", { code, done: wraps, interaction: agent.interaction });
                setCode("");
              }}
            >
              {t("save")}
            </button>
          </div>
        )}
      </section>
      {ordering && <OrderCallback queues={queues ?? []} onClose={() => setOrdering(false)} />}
      <Writing outcomes={outcomes} queues={queues ?? []} />
      <Later all={inHand ?? []} onDone={lookAgain} />
      {works && agent.interaction && !written.has(agent.interaction) && <Note interaction={agent.interaction} />}
      {calls
        .filter((each) => each.started_at !== null && each.queue)
        .map((each) => (
          <Customer key={each.interaction} of={each} />
        ))}
      {calls
        .filter((each) => each.started_at !== null && talks(each))
        .map((each) => (
          <OwnTalk key={each.interaction} of={each} onDone={lookAgain} />
        ))}
      <section class="card">
        <h2>{t("in_hand")}</h2>
        <Table
          label={t("in_hand")}
          items={(inHand ?? []).filter((each) => each.phase !== "snoozed")}
          id={(each) => each.interaction}
          empty={t("nothing")}
          columns={[
            { head: t("medium"), cell: (each) => mediumWord(each.medium) },
            {
              head: t("caller"),
              cell: (each) => (
                <>
                  {named(each) && <div>{named(each)}</div>}
                  <div class={named(each) ? "quiet" : ""}>{each.caller}</div>
                  {known(each).map(([key, value]) => (
                    <div key={key} class="quiet">
                      {key}: {value}
                    </div>
                  ))}
                </>
              ),
            },
            { head: t("called"), cell: (each) => each.called },
            { head: t("queue"), cell: (each) => each.queue },
            {
              head: t("state"),
              cell: (each) => <State state={each.state} text={stateWord(each.state)} />,
            },
            {
              head: t("lasts"),
              numeric: true,
              cell: (each) => span(each.connected_at ? switchNow() - each.connected_at : null),
            },
            { head: t("segment"), cell: (each) => each.segment },
          ]}
        />
        <details>
          <summary>{t("capacity")}</summary>
          <Capacity agent={props.name} />
        </details>
      </section>
      <OwnDay agent={props.name} />
      <section class="card">
        <h2>{t("queues")}</h2>
        <Table
          label={t("queues")}
          items={queues ?? []}
          id={(each) => each.queue}
          empty={t("nothing")}
          columns={[
            { head: t("queue"), cell: (each) => each.queue },
            { head: t("waiting"), numeric: true, cell: (each) => count(each.waiting) },
            {
              head: t("longest"),
              numeric: true,
              cell: (each) => (each.waiting ? span(each.longest_wait_s) : "–"),
            },
            {
              head: t("idle_of"),
              numeric: true,
              cell: (each) => `${count(each.idle)} / ${count(each.signed_in)}`,
            },
          ]}
        />
      </section>
    </>
  );
}
