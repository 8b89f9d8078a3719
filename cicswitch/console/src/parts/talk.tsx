// A talk in progress: what its agent does with it, what a supervisor does, and who hears whom.

import { useState } from "preact/hooks";
import { ApiError, ask, get, may, me, post } from "../api";
import { t } from "../i18n";
import type { SwitchEvent } from "../live";
import { attempt, Dialog, Field, Form, tellFrom } from "./basics";
import { useLive } from "./data";
import { phone } from "../settings";
import type { InteractionView, PartyView } from "../types";

const MODES = ["monitor", "whisper", "barge"] as const;
type Mode = (typeof MODES)[number];

const WORDS = {
  monitor: ["listen", "hears_monitor"],
  whisper: ["whisper", "hears_whisper"],
  barge: ["barge", "hears_barge"],
} as const;

const at = (interaction: string) => `/interactions/${encodeURIComponent(interaction)}`;

/** Events after which a talk is not what it was. */
export const ofTalks = (event: SwitchEvent): boolean =>
  /^(Supervisor|Consult|Party|Help|TakenOver|CustomerHeld|Transferred)/.test(event.type);

/** Whether somebody talks in it, so that it can be joined. */
export const talks = (each: InteractionView): boolean =>
  ["connected", "held", "talking"].includes(each.state);

/** What is told on every page: messages to all, and agents' cries for help to who may come in. */
export function heard(event: SwitchEvent): void {
  if (event.type === "HelpAsked" && may("interactions:join"))
    tellFrom(t("help_asked", { agent: String(event.agent), note: String(event.note ?? "") }));
  if (event.type === "MessageSent")
    tellFrom(t("message_from", { name: String(event.account), text: String(event.text) }));
}

/** Who else is in a talk, beside the customer and the agent. */
export function Others(props: { of: InteractionView }) {
  return (
    <>
      {props.of.help !== null && (
        <span class="badge help" title={props.of.help}>
          {t("asks_for_help")}
        </span>
      )}
      {(props.of.parties ?? []).map((each) => (
        <span key={each.party} class="badge">
          {nameOf(each)}: {each.state === "ringing" ? t("state_alerting") : roleOf(each)}
        </span>
      ))}
    </>
  );
}

const nameOf = (party: PartyView) => party.account || party.agent || party.number;

function roleOf(party: PartyView): string {
  if (party.role === "consulted") return t("is_consulted");
  if (party.role === "colleague") return t("is_colleague");
  return t(WORDS[party.mode as Mode][0]);
}

// -- supervisors -------------------------------------------------------------------------------

/** Listen in, whisper, barge in, take over: with words for who hears whom. */
export function Supervise(props: { interaction: string; name: string; onClose: () => void }) {
  const path = at(props.interaction);
  const { value, again } = useLive(
    () =>
      get<InteractionView>(path).catch((error) => {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        return null; // the call is over
      }),
    (event) => event.interaction === props.interaction,
    [path],
    2000,
  );
  const own = me.value?.account.name;
  const mine = value?.parties?.find((each) => each.role === "supervisor" && each.account === own);
  const device = () => (phone.value ? { device: phone.value } : {});
  const join = async (mode: Mode) => {
    await attempt(() => post(`${path}/monitor`, { mode, ...device() }));
    await again();
  };
  const mode = mine?.mode as Mode | undefined;
  const allowed = MODES.filter((each) => each === "monitor" || may("interactions:join"));
  return (
    <Dialog title={t("join_title", { name: props.name })} onClose={props.onClose}>
      {value ? (
        <>
          <p>
            <Others of={value} />
          </p>
          {value.help && <p>{value.help}</p>}
          <p role="status" class="hears">
            {!mine
              ? t("hears_none")
              : mine.state === "ringing"
                ? t("own_phone_rings", { number: mine.number })
                : t(WORDS[mode ?? "monitor"][1])}
          </p>
          {!mine && (
            <Field
              label={t("own_phone")}
              hint={me.value?.account.agent ? t("own_phone_text") : undefined}
              value={phone.value}
              onInput={(event) => {
                phone.value = event.currentTarget.value.trim();
              }}
            />
          )}
          <div class="row modes">
            {allowed.map((each) => (
              <button key={each} aria-pressed={mode === each} onClick={() => join(each)}>
                {t(WORDS[each][0])}
              </button>
            ))}
          </div>
          <dl class="modes">
            {allowed.map((each) => (
              <>
                <dt>{t(WORDS[each][0])}</dt>
                <dd>{t(WORDS[each][1])}</dd>
              </>
            ))}
            {may("interactions:join") && (
              <>
                <dt>{t("take_over")}</dt>
                <dd>{t("take_over_text")}</dd>
              </>
            )}
          </dl>
          <footer>
            {mine && (
              <button
                onClick={async () => {
                  await attempt(() => ask("DELETE", `${path}/monitor`));
                  await again();
                }}
              >
                {t("stop")}
              </button>
            )}
            {may("interactions:join") && (
              <button
                class="danger"
                onClick={async () => {
                  const done = () => post(`${path}/take-over`, mine ? {} : device());
                  await attempt(done, t("taking_over"));
                  await again();
                }}
              >
                {t("take_over")}
              </button>
            )}
          </footer>
        </>
      ) : (
        <p class="quiet">{t("talk_over")}</p>
      )}
    </Dialog>
  );
}

// -- the agent ---------------------------------------------------------------------------------

/** What an agent does with the call that he has. */
export function OwnTalk(props: { of: InteractionView; onDone: () => Promise<void> }) {
  const { of, onDone } = props;
  const [number, setNumber] = useState("");
  const [asking, setAsking] = useState(false);
  const path = at(of.interaction);
  const act = async (verb: string, body: unknown = {}) => {
    const done = await attempt(() => post(`${path}/${verb}`, body));
    if (done) setNumber("");
    await onDone();
  };
  const drop = async (what: string) => {
    await attempt(() => ask("DELETE", `${path}/${what}`));
    await onDone();
  };
  const third = of.parties?.find((each) => each.role === "consulted");
  const colleagues = (of.parties ?? []).filter((each) => each.role === "colleague");
  const heard = (of.parties ?? []).filter((each) => each.role === "supervisor");
  const caller = of.caller || of.peer;
  return (
    <section class="card talk" aria-label={t("talk_with", { name: caller })}>
      <h2>{t("talk_with", { name: caller })}</h2>
      <div role="status" class="hears">
        <p>{inWords(of, third, colleagues)}</p>
        {heard.map((each) => (
          <p key={each.party}>
            {each.mode === "whisper"
              ? t("whispers_to_you", { name: each.account })
              : t("speaks_to_all", { name: each.account })}
          </p>
        ))}
        {of.help !== null && <p>{t("you_ask_for_help")}</p>}
      </div>
      {third ? (
        <div class="row">
          {of.consult !== "ringing" && (
            <>
              <button onClick={() => act("consult/swap")}>
                {of.consult === "aside"
                  ? t("to_third", { name: nameOf(third) })
                  : t("to_customer")}
              </button>
              <button class="primary" onClick={() => act("consult/complete")}>
                {t("complete")}
              </button>
              <button onClick={() => act("conference")}>{t("conference")}</button>
            </>
          )}
          <button onClick={() => act("consult/back")}>{t("let_go", { name: nameOf(third) })}</button>
        </div>
      ) : (
        <>
          <div class="row">
            <button aria-pressed={of.on_hold} onClick={() => act(of.on_hold ? "resume" : "hold")}>
              {of.on_hold ? t("resume") : t("hold")}
            </button>
            {colleagues.map((each) => (
              <button key={each.party} onClick={() => drop(`parties/${each.party}`)}>
                {t("let_go", { name: nameOf(each) })}
              </button>
            ))}
          </div>
          <div class="row">
            <Field
              label={t("number_or_agent")}
              value={number}
              onInput={(event) => setNumber(event.currentTarget.value.trim())}
            />
            <button disabled={!number} onClick={() => act("consult", { to: number })}>
              {t("consult")}
            </button>
            <button disabled={!number} onClick={() => act("conference", { to: number })}>
              {t("add_to_call")}
            </button>
            <button disabled={!number} onClick={() => act("transfer", { to: number })}>
              {t("transfer")}
            </button>
          </div>
        </>
      )}
      <div class="row">
        {of.help === null ? (
          <button onClick={() => setAsking(true)}>{t("ask_for_help")}</button>
        ) : (
          <button onClick={() => drop("help")}>{t("help_over")}</button>
        )}
        <button class="danger" onClick={() => act("leave")}>
          {t("hang_up")}
        </button>
      </div>
      {asking && (
        <Form
          title={t("ask_for_help")}
          action={t("ask_for_help")}
          onClose={() => setAsking(false)}
          onDone={(data) => act("help", { note: String(data.get("note") ?? "") })}
        >
          <Field label={t("help_note")} name="note" maxLength={200} />
        </Form>
      )}
    </section>
  );
}

function inWords(of: InteractionView, third: PartyView | undefined, colleagues: PartyView[]) {
  const name = third ? nameOf(third) : "";
  if (of.consult === "ringing") return t("talk_ringing", { name });
  if (of.consult === "talking") return t("talk_third", { name });
  if (of.consult === "aside") return t("talk_aside", { name });
  if (of.on_hold) return t("talk_hold");
  const others = colleagues.filter((each) => each.state !== "ringing").map(nameOf);
  return others.length ? t("talk_all", { names: others.join(", ") }) : t("talk_customer");
}
