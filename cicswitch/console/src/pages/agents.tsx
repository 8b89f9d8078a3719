// Agents: what each does, for how long, and acting for them.

import { useState } from "preact/hooks";
import { ask, get, list, may } from "../api";
import { count, span } from "../format";
import { causeWord, stateWord, t } from "../i18n";
import { switchNow } from "../live";
import { attempt, Field, Form, State, Table } from "../parts/basics";
import { Capacity } from "../parts/capacity";
import { useClock, useLive, useRead } from "../parts/data";
import { Supervise } from "../parts/talk";
import { link } from "../router";
import type { AgentView, Codes, Skills } from "../types";
import { Why } from "./interactions";
import { follow, States } from "./wallboard";

const SHOWN = 500;

export function Agents() {
  const { value: agents, again } = useLive(
    () => list<AgentView>("/agents", 20_000),
    (event) => event.type === "AgentChanged",
    [],
    30_000,
    follow,
  );
  const { value: codes } = useRead(() => get<Codes>("/codes"));
  const [state, setState] = useState("");
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState<[what: string, agent: string] | null>(null);
  /** The interaction that is joined: it stays chosen when its agent goes on to another. */
  const [joined, setJoined] = useState("");
  useClock();
  if (!agents) return <p class="quiet">{t("loading")}</p>;
  const wanted = text.toLowerCase();
  const shown = agents.filter(
    (agent) =>
      (!state || agent.state === state) &&
      (!wanted || `${agent.agent} ${agent.name}`.toLowerCase().includes(wanted)),
  );
  const close = () => {
    setChosen(null);
    setJoined("");
  };
  const act = async (agent: string, what: string, body?: unknown) => {
    await attempt(() => ask("POST", `/agents/${encodeURIComponent(agent)}/${what}`, body));
    await again();
  };
  return (
    <>
      <header class="page">
        <h1>{t("agents")}</h1>
        <span class="quiet">{t("agents_total", { count: count(agents.length) })}</span>
        {may("agents:write") && (
          <button onClick={() => setChosen(["message", ""])}>{t("message_all")}</button>
        )}
      </header>
      <States agents={agents} chosen={state} onChoose={setState} />
      <Field
        label={t("search")}
        type="search"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <Table
        label={t("agents")}
        items={shown.slice(0, SHOWN)}
        id={(agent) => agent.agent}
        empty={t("nothing")}
        columns={[
          {
            head: t("agent"),
            by: (agent) => agent.name,
            cell: (agent) => (
              <>
                {agent.name}
                {agent.name !== agent.agent && <span class="quiet"> {agent.agent}</span>}
              </>
            ),
          },
          {
            head: t("state"),
            by: (agent) => agent.state,
            cell: (agent) => (
              <>
                <State state={agent.state} text={stateWord(agent.state)} />
                {agent.code && <span class="quiet"> {causeWord(agent.code)}</span>}
              </>
            ),
          },
          {
            head: t("time_in_state"),
            numeric: true,
            by: (agent) => -agent.since,
            cell: (agent) => span(switchNow() - agent.since),
          },
          { head: t("then"), cell: (agent) => agent.then },
          {
            head: t("queue"),
            by: (agent) => agent.queue,
            cell: (agent) => agent.queue && <a href={link("queues", agent.queue)}>{agent.queue}</a>,
          },
          { head: t("device"), by: (agent) => agent.device, cell: (agent) => agent.device },
          {
            head: t("actions"),
            cell: (agent) => (
              <div class="actions">
                {may("agents:write") &&
                  (agent.state === "offline" ? (
                    <button onClick={() => act(agent.agent, "sign-in")}>{t("sign_in")}</button>
                  ) : (
                    <>
                      <button onClick={() => act(agent.agent, "ready")}>{t("ready")}</button>
                      <Pause
                        codes={codes}
                        onChoose={(code) => act(agent.agent, "pause", { code })}
                        of={agent.name}
                      />
                      <button onClick={() => act(agent.agent, "sign-out")}>{t("sign_out")}</button>
                    </>
                  ))}
                {may("interactions:monitor") &&
                  ["talking", "holding"].includes(agent.state) && (
                    <button onClick={() => {
                        setJoined(agent.interaction);
                        setChosen(["join", agent.agent]);
                      }}
                    >
                      {t("join")}
                    </button>
                  )}
                {may("agents:write") && (
                  <button onClick={() => setChosen(["skills", agent.agent])}>{t("skills")}</button>
                )}
                {may("explain:read") && (
                  <button onClick={() => setChosen(["explain", agent.agent])}>{t("explain")}</button>
                )}
              </div>
            ),
          },
        ]}
      />
      {shown.length > SHOWN && <p class="quiet">… {count(shown.length - SHOWN)}</p>}
      {chosen?.[0] === "message" && (
        <Form
          title={t("message_all")}
          action={t("send")}
          onClose={close}
          onDone={(data) => ask("POST", "/messages", { text: String(data.get("text") ?? "") })}
        >
          <Field label={t("message")} name="text" required maxLength={500} />
        </Form>
      )}
      {chosen?.[0] === "join" && joined && (
        <Supervise interaction={joined} name={chosen[1]} onClose={close} />
      )}
      {chosen?.[0] === "explain" && (
        <Why path={`/agents/${encodeURIComponent(chosen[1])}/explain`} name={chosen[1]} onClose={close}>
          <Capacity agent={chosen[1]} />
        </Why>
      )}
      {chosen?.[0] === "skills" && codes && (
        <EditSkills agent={chosen[1]} codes={codes} onClose={close} />
      )}
    </>
  );
}

/** A menu of pause codes. */
export function Pause(props: {
  codes: Codes | null;
  of?: string;
  onChoose: (code: string) => void;
}) {
  const codes = [...new Set(Object.values(props.codes?.pause ?? {}))];
  return (
    <select
      aria-label={`${t("pause")} ${props.of ?? ""}`}
      value="?"
      onChange={(event) => {
        const code = event.currentTarget.value;
        event.currentTarget.value = "?";
        props.onChoose(code);
      }}
    >
      <option value="?" hidden>
        {t("pause")}
      </option>
      {codes.map((code) => (
        <option key={code} value={code}>
          {code}
        </option>
      ))}
      <option value="">{t("pause_without")}</option>
    </select>
  );
}

function EditSkills(props: { agent: string; codes: Codes; onClose: () => void }) {
  const path = `/agents/${encodeURIComponent(props.agent)}/skills`;
  const { value } = useRead(() => ask<Skills>("GET", path), [path]);
  if (!value) return null;
  const now = value.value;
  return (
    <Form
      title={`${t("skills")}: ${props.agent}`}
      action={t("save")}
      onClose={props.onClose}
      onDone={(data) => {
        const skills: Record<string, number> = {};
        for (const skill of Object.keys(props.codes.skills)) {
          const level = String(data.get(skill) ?? "");
          if (level) skills[skill] = Number(level);
        }
        return ask("PUT", path, { skills, desire: now.desire }, value.tag);
      }}
    >
      <p class="quiet">{t("skills_text")}</p>
      {Object.entries(props.codes.skills).map(([skill, text]) => (
        <Field
          key={skill}
          label={text ? `${skill}: ${text}` : skill}
          name={skill}
          type="number"
          min={1}
          max={100}
          defaultValue={now.skills[skill] === undefined ? "" : String(now.skills[skill])}
        />
      ))}
    </Form>
  );
}
