// Interactions, waiting and in progress, and what a supervisor does with them.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ask, get, list, may, post } from "../api";
import { clock, span, named } from "../format";
import { mediumWord, stateWord, t } from "../i18n";
import { type SwitchEvent, switchNow } from "../live";
import { Due, SetDue } from "../parts/aside";
import { Choice, type Column, Dialog, Field, Form, State, Table, tell } from "../parts/basics";
import { useClock, useLive, useRead } from "../parts/data";
import { Others, ofTalks, Supervise, talks } from "../parts/talk";
import { link } from "../router";
import type { Explained, InteractionView, QueueView, Trace } from "../types";

const concerns = (event: SwitchEvent) =>
  event.type.startsWith("Interaction") ||
  event.type.startsWith("Call") ||
  event.type.startsWith("Contact") ||
  event.type === "Reserved" ||
  ofTalks(event);

const began = (each: InteractionView) => each.queued_at ?? each.started_at ?? null;

export function Interactions(props: { queue?: string; state?: string }) {
  const query = new URLSearchParams();
  if (props.queue) query.set("queue", props.queue);
  if (props.state) query.set("state", props.state);
  const path = `/interactions?${query}`;
  const { value, again } = useLive(() => list<InteractionView>(path), concerns, [path]);
  const [chosen, setChosen] = useState<[what: string, of: InteractionView] | null>(null);
  useClock();
  const close = () => setChosen(null);
  const [what, of] = chosen ?? ["", null];
  const inQueue = (each: InteractionView) => ["waiting", "away"].includes(each.state);

  const columns: Column<InteractionView>[] = [
    { head: t("medium"), by: (each) => mediumWord(each.medium), cell: (each) => mediumWord(each.medium) },
    { head: t("caller"), by: (each) => each.caller, cell: (each) => (
        <>
          {each.customer_name && <div>{named(each)}</div>}
          {each.caller || each.peer}
        </>
      ) },
    { head: t("called"), by: (each) => each.called, cell: (each) => each.called },
    {
      head: t("state"),
      by: (each) => each.state,
      cell: (each) => (
        <>
          <State state={each.state} text={stateWord(each.state)} /> <Others of={each} />{" "}
          <Due of={each} />
        </>
      ),
    },
    ...(props.queue
      ? []
      : [
          {
            head: t("queue"),
            by: (each: InteractionView) => each.queue,
            cell: (each: InteractionView) =>
              each.queue && <a href={link("queues", each.queue)}>{each.queue}</a>,
          },
        ]),
    { head: t("agent"), by: (each) => each.agent, cell: (each) => each.agent },
    {
      head: props.state === "waiting" ? t("waited") : t("lasts"),
      numeric: true,
      by: (each) => -(began(each) ?? 0),
      cell: (each) => span(began(each) === null ? null : switchNow() - (began(each) ?? 0)),
    },
    {
      head: t("priority"),
      numeric: true,
      by: (each) => each.priority,
      cell: (each) => each.priority,
    },
    { head: t("segment"), by: (each) => each.segment, cell: (each) => each.segment },
    {
      head: t("actions"),
      cell: (each) => (
        <div class="actions">
          {may("interactions:monitor") && talks(each) && (
            <button onClick={() => setChosen(["join", each])}>{t("join")}</button>
          )}
          {may("explain:read") && each.queue && (
            <button onClick={() => setChosen(["explain", each])}>{t("explain")}</button>
          )}
          {may("interactions:write") && inQueue(each) && (
            <>
              <button onClick={() => setChosen(["move", each])}>{t("move")}</button>
              <button onClick={() => setChosen(["prioritise", each])}>{t("prioritise")}</button>
            </>
          )}
          {may("interactions:write") && each.conversation && (
            <button onClick={() => setChosen(["due", each])}>{t("due")}</button>
          )}
          {may("calls:read") && !each.conversation && (
            <button onClick={() => setChosen(["trace", each])}>{t("trace")}</button>
          )}
          {may("interactions:write") && each.started_at !== null && !each.conversation && (
            <button class="danger" onClick={() => setChosen(["hang-up", each])}>
              {t("hang_up")}
            </button>
          )}
        </div>
      ),
    },
  ];
  return (
    <>
      <Table
        label={t("interactions")}
        items={value ?? []}
        id={(each) => each.interaction}
        empty={
          value ? t(props.state === "waiting" ? "nobody_waits" : "nothing_going_on") : t("loading")
        }
        columns={columns}
      />
      {of && what === "join" && (
        <Supervise
          interaction={of.interaction}
          name={of.agent || of.caller}
          onClose={() => {
            close();
            void again();
          }}
        />
      )}
      {of && what === "explain" && (
        <Why path={`/interactions/${of.interaction}/explain`} name={of.caller} onClose={close} />
      )}
      {of && what === "move" && <Move of={of} onClose={close} onDone={again} />}
      {of && what === "prioritise" && (
        <Form
          title={t("prioritise")}
          action={t("save")}
          onClose={close}
          onDone={async (data) => {
            const body = { priority: Number(data.get("priority")) };
            tellPlace(await post<Placed>(`/interactions/${of.interaction}/prioritise`, body));
            await again();
          }}
        >
          <Field
            label={t("priority")}
            name="priority"
            type="number"
            required
            defaultValue={String(of.priority)}
          />
        </Form>
      )}
      {of && what === "due" && <SetDue of={of} onClose={close} onDone={again} />}
      {of && what === "trace" && <SipTrace call={of.interaction} onClose={close} />}
      {of && what === "hang-up" && (
        <Form
          title={t("hang_up")}
          action={t("hang_up")}
          danger
          onClose={close}
          onDone={async () => {
            await ask("POST", `/interactions/${of.interaction}/hang-up`);
            await again();
          }}
        >
          <p>{t("hang_up_sure")}</p>
        </Form>
      )}
    </>
  );
}

type Placed = { queue: string; position: number };

function tellPlace(placed: Placed): void {
  tell(
    placed.position
      ? t("position_now", { place: placed.position, queue: placed.queue })
      : t("offered_now"),
  );
}

function Move(props: { of: InteractionView; onClose: () => void; onDone: () => Promise<void> }) {
  const { value } = useRead(() => list<QueueView>("/queues"));
  const others = (value ?? []).filter((queue) => queue.queue !== props.of.queue);
  return (
    <Form
      title={t("move")}
      action={t("move")}
      onClose={props.onClose}
      onDone={async (data) => {
        const body = { queue: data.get("queue") };
        tellPlace(await post<Placed>(`/interactions/${props.of.interaction}/move`, body));
        await props.onDone();
      }}
    >
      <Choice
        label={t("move_to")}
        name="queue"
        required
        options={others.map((queue) => [queue.queue, `${queue.queue} (${queue.waiting})`])}
      />
    </Form>
  );
}

/** Why it is as it is, in the sentences of the switch, anew every few seconds. */
export function Why(props: {
  path: string;
  name: string;
  onClose: () => void;
  children?: ComponentChildren;
}) {
  const { value } = useLive(() => get<Explained>(props.path), () => true, [props.path]);
  return (
    <Dialog wide title={t("explain_title", { name: props.name })} onClose={props.onClose}>
      <pre class="why">{value ? value.text.join("\n") : t("loading")}</pre>
      {props.children}
    </Dialog>
  );
}

/** What came of the far end, and in brackets what it reports of what it is sent. */
const far = (ours: number | null, theirs: number | null, digits = 0): string =>
  (ours === null ? "–" : ours.toFixed(digits)) +
  (theirs === null ? "" : ` (${theirs.toFixed(digits)})`);

function SipTrace(props: { call: string; onClose: () => void }) {
  const { value } = useRead(() => get<Trace>(`/calls/${props.call}/trace`), [props.call]);
  const legs = [...new Set(value?.steps.map((step) => step.leg))];
  return (
    <Dialog wide title={t("trace")} onClose={props.onClose}>
      {value && value.legs.length > 0 && (
        <>
          <Table
            label={t("sound_quality")}
            items={value.legs}
            id={(leg) => leg.leg}
            empty=""
            columns={[
              { head: t("address"), cell: (leg) => leg.peer },
              { head: t("codec"), cell: (leg) => leg.codec },
              { head: t("packets_in"), cell: (leg) => leg.packets_received },
              { head: t("packets_out"), cell: (leg) => leg.packets_sent },
              { head: t("packets_lost"), cell: (leg) => far(leg.packets_lost, leg.far_lost) },
              {
                head: t("jitter"),
                cell: (leg) => far(leg.jitter_ms, leg.far_jitter_ms, 1),
              },
              {
                head: t("round_trip"),
                cell: (leg) => (leg.rtt_ms === null ? "–" : leg.rtt_ms.toFixed(0)),
              },
              { head: "MOS", cell: (leg) => far(leg.mos, leg.far_mos, 2) },
            ]}
          />
          <p class="quiet">{t("sound_quality_text")}</p>
        </>
      )}
      <Table
        label={t("trace")}
        items={value?.steps ?? []}
        id={(step) => `${step.leg}${step.at}${step.line}${step.direction}`}
        empty={value ? t("nothing") : t("loading")}
        columns={[
          { head: t("at"), cell: (step) => clock(step.at) },
          { head: "#", cell: (step) => legs.indexOf(step.leg) + 1 },
          { head: "", cell: (step) => (step.direction === "in" ? "→" : "←") },
          { head: t("address"), cell: (step) => step.peer },
          { head: "SIP", cell: (step) => <code>{step.line}</code> },
          { head: "CSeq", cell: (step) => <code>{step.cseq}</code> },
          { head: "SDP", cell: (step) => (step.sdp ? "✓" : "") },
        ]}
      />
    </Dialog>
  );
}

