// Conversations in writing on the desk: offers, tabs, and the one that is read and answered.

import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ask, items, me } from "../api";
import { clock, known, moment, span } from "../format";
import { mediumWord, t } from "../i18n";
import { freshness, switchNow } from "../live";
import type { AnswerView, InteractionView, MessageView, QueueView } from "../types";
import { act, draft, drop, isOwn, news, read, ready, retry, seen, send, shown } from "../writing";
import { type Talk, takeBack, talks, titled, unanswered, unfilled, unread, who } from "../writing";
import { Due, SetDue, Snooze } from "./aside";
import { attempt, Choice, Field, Form } from "./basics";
import { Customer, Note } from "./customer";
import { useClock } from "./data";
import { Faxes } from "./fax";
import { Clip, Files, Going } from "./files";
import { Merge, Split } from "./joining";
import { Below, isMail, Letter, MailHead, Undelivered } from "./mail";

const MOST_TEXT = 20_000;

/** How much asks to be looked at, beside the desk's name in the menu. */
export function Waiting() {
  const all = Object.values(talks.value);
  const count = all.reduce((sum, each) => sum + (isOwn(each) ? unread(each) : 1), 0);
  return count ? <span class="badge count"> {t("written_unread", { count })}</span> : null;
}

/** All that one has and is offered in writing. */
export function Writing(props: { outcomes: string[]; queues: QueueView[] }) {
  const all = Object.entries(talks.value);
  const offers = all.filter(([, talk]) => !isOwn(talk));
  const mine = all.filter(([, talk]) => isOwn(talk));
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!event.altKey || event.ctrlKey || event.metaKey) return;
      const verb = event.code === "KeyT" ? "take" : event.code === "KeyD" ? "reject" : "";
      const first = Object.values(talks.value).find((talk) => !isOwn(talk));
      if (!verb || !first) return;
      event.preventDefault();
      void attempt(() => act(first.of, verb));
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
  useEffect(seen, [shown.value, mine.length]);
  const current = mine.find(([name]) => name === shown.value) ?? mine[0];
  return (
    <>
      <div class="unseen" role="status" aria-live="polite">
        {news.value}
      </div>
      {offers.map(([name, talk]) => (
        <Offer key={name} talk={talk} />
      ))}
      {current && (
        <section class="card talks" aria-label={t("chat_talks")}>
          <Tabs talks={mine} chosen={current[0]} />
          <Conversation key={current[0]} name={current[0]} talk={current[1]} {...props} />
        </section>
      )}
    </>
  );
}

function Offer(props: { talk: Talk }) {
  const { of } = props.talk;
  const [busy, setBusy] = useState(false);
  const name = who(of);
  const title = t("chat_offer", { name, medium: mediumWord(of.medium), queue: of.queue });
  const answer = async (verb: string) => {
    setBusy(true);
    await attempt(() => act(of, verb));
    setBusy(false);
  };
  return (
    <section class="card own alerting offered" aria-label={title}>
      <h2>{title}</h2>
      {of.subject && (
        <p>
          {t("chat_subject")}: <strong>{of.subject}</strong>
        </p>
      )}
      <Countdown of={of} />
      <MailHead of={of} />
      <Known of={of} />
      <Messages talk={props.talk} />
      <div class="row">
        <button
          class="primary"
          disabled={busy}
          aria-keyshortcuts="Alt+T"
          onClick={() => answer("take")}
        >
          {t("chat_take")}
        </button>
        <button disabled={busy} aria-keyshortcuts="Alt+D" onClick={() => answer("reject")}>
          {t("chat_decline")}
        </button>
        <small class="quiet">{t("chat_offer_keys")}</small>
      </div>
    </section>
  );
}

function Countdown(props: { of: InteractionView }) {
  useClock();
  const { deadline } = props.of;
  const begun = useRef(switchNow());
  if (!deadline) return null;
  const left = Math.max(0, deadline - switchNow());
  return (
    <p class="deadline">
      <progress
        aria-label={t("time_to_answer")}
        max={Math.max(1, deadline - begun.current)}
        value={left}
      />{" "}
      <span role="timer">{t("left_to_answer", { time: span(Math.ceil(left)) })}</span>
    </p>
  );
}

function Known(props: { of: InteractionView }) {
  const facts = known(props.of);
  if (!facts.length) return null;
  return (
    <dl class="known" aria-label={t("chat_context")}>
      {facts.map(([key, value]) => (
        <div key={key}>
          <dt>{key}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Tabs(props: { talks: [string, Talk][]; chosen: string }) {
  useClock();
  const line = useRef<HTMLDivElement>(null);
  const since = props.talks.map(([, talk]) => unanswered(talk)).filter(Boolean);
  const longest = since.length > 1 ? Math.min(...since) : 0;
  const step = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const at = props.talks.findIndex(([name]) => name === props.chosen);
    const next = (at + by + props.talks.length) % props.talks.length;
    shown.value = props.talks[next]?.[0] ?? "";
    line.current?.querySelectorAll("button")[next]?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={t("chat_talks")} ref={line} onKeyDown={step}>
      {props.talks.map(([name, talk]) => {
        const waits = unanswered(talk);
        const count = unread(talk);
        return (
          <button
            key={name}
            id={`tab-${name}`}
            role="tab"
            aria-selected={name === props.chosen}
            aria-controls={name === props.chosen ? `talk-${name}` : undefined}
            tabIndex={name === props.chosen ? 0 : -1}
            class={waits && waits === longest ? "longest" : ""}
            onClick={() => {
              shown.value = name;
            }}
          >
            <strong>{who(talk.of)}</strong>
            {count > 0 && <span class="badge count">{t("written_unread", { count })}</span>}
            <small>
              {talk.over
                ? t("state_wrap-up")
                : waits
                  ? t("chat_waits", { time: span(switchNow() - waits) })
                  : mediumWord(talk.of.medium)}
              {waits > 0 && waits === longest && ` · ${t("chat_longest")}`}
            </small>
          </button>
        );
      })}
    </div>
  );
}

type Pane = { name: string; talk: Talk; outcomes: string[]; queues: QueueView[] };

function Conversation(props: Pane) {
  const { name, talk } = props;
  const { of } = talk;
  const [handing, setHanding] = useState(false);
  const [asking, setAsking] = useState("");
  useEffect(seen);
  useSettling(name, talk);
  return (
    <div class="pane" role="tabpanel" id={`talk-${name}`} aria-labelledby={`tab-${name}`}>
      <h2>{of.subject || who(of)}</h2>
      {!talk.over && <Due of={of} />}
      <MailHead of={of} />
      <Known of={of} />
      {of.medium === "fax" && <Faxes conversation={name} />}
      <Messages talk={talk} />
      <Types talk={talk} />
      {talk.over ? (
        <p role="status">{t("chat_over")}</p>
      ) : of.medium === "task" ? (
        <p class="quiet">{t("chat_no_writing")}</p>
      ) : (
        <Composer name={name} talk={talk} />
      )}
      <div class="row">
        {!talk.over && (
          <>
            <button class="danger" onClick={() => attempt(() => act(of, "finish"))}>
              {t("chat_end")}
            </button>
            <button onClick={() => setHanding(true)}>{t("chat_hand_on")}</button>
            {of.medium !== "chat" && (
              <>
                <button onClick={() => setAsking("snooze")}>{t("snooze")}</button>
                <button onClick={() => setAsking("due")}>{t("due")}</button>
                <Merge of={of} />
              </>
            )}
          </>
        )}
        <Outcome {...props} />
      </div>
      <details>
        <summary>{t("note")}</summary>
        <Note interaction={of.interaction} />
      </details>
      {of.medium !== "task" && !talk.over && (
        <details>
          <summary>{t("customer")}</summary>
          <Customer of={of} />
        </details>
      )}
      {asking === "snooze" && <Snooze of={of} onClose={() => setAsking("")} />}
      {asking === "due" && <SetDue of={of} onClose={() => setAsking("")} />}
      {handing && <HandOn of={of} queues={props.queues} onClose={() => setHanding(false)} />}
    </div>
  );
}

function Types(props: { talk: Talk }) {
  useClock();
  const types = props.talk.typing_until > Date.now();
  return <p class="types quiet">{types ? t("chat_types", { name: who(props.talk.of) }) : ""}</p>;
}

function author(line: MessageView, of: InteractionView): string {
  const [kind = "", name = ""] = line.author.split(":", 2);
  if (kind === "agent") return name;
  if (kind === "bot") return t("chat_bot");
  if (kind === "system") return t("chat_system");
  return who(of) || t("chat_customer");
}

/** Texts at hand: what is chosen stands behind what is written, or in its place; what is not known
 * is asked for. */
function Answers(props: { name: string; text: string; box: string }) {
  const [known, setKnown] = useState<AnswerView[]>([]);
  const [asking, setAsking] = useState<AnswerView | null>(null);
  useEffect(() => {
    void attempt(async () => setKnown(await items<AnswerView>(`/conversations/${props.name}/answers`)));
  }, [props.name]);
  if (!known.length) return null;
  const put = (chosen: AnswerView, given: Record<string, string>) => {
    const fill = (text: string) =>
      text.replace(/{field:\s*([^{}\n]{1,60}?)\s*}/g, (whole, label: string) => given[label] || whole);
    const before = props.text && !/\s$/.test(props.text) ? `${props.text} ` : props.text;
    draft(props.name, (chosen.whole ? "" : before) + fill(chosen.text));
    if (chosen.subject) titled(props.name, fill(chosen.subject));
    window.setTimeout(() => document.getElementById(props.box)?.focus());
  };
  return (
    <>
      <Choice
        label={t("answers")}
        chosen=""
        options={[["", t("answers_choose")], ...known.map((each): [string, string] => [each.answer, each.title])]}
        onChange={(event) => {
          const select = event.currentTarget;
          const found = known.find((each) => each.answer === select.value);
          select.value = "";
          if (found?.fields?.length) setAsking(found);
          else if (found) put(found, {});
        }}
      />
      {asking && (
        <Form
          title={asking.title}
          action={t("answers_put")}
          onClose={() => setAsking(null)}
          onDone={async (data) => {
            const given = (asking.fields ?? []).map((each): [string, string] => [
              each,
              String(data.get(each) ?? "").trim(),
            ]);
            put(asking, Object.fromEntries(given));
          }}
        >
          {(asking.fields ?? []).map((each) => (
            <Field key={each} label={each} name={each} required />
          ))}
        </Form>
      )}
    </>
  );
}

/** Messages in their order. Their text is shown as text, whatever is in it. */
function Messages(props: { talk: Talk }) {
  const { of, lines, sending, more, whole } = props.talk;
  const box = useRef<HTMLDivElement>(null);
  const below = useRef(true);
  const day = new Date().toDateString();
  useLayoutEffect(() => {
    const at = box.current;
    if (at && below.current) at.scrollTop = at.scrollHeight;
  }, [lines.length, sending.length]);
  return (
    <div
      class={isMail(of) ? "messages letters" : "messages"}
      ref={box}
      role="group"
      tabIndex={0}
      aria-label={t("written_messages", { name: who(of) })}
      onScroll={(event) => {
        const at = event.currentTarget;
        below.current = at.scrollHeight - at.scrollTop - at.clientHeight < 40;
      }}
    >
      {more && <p class="quiet">{t("chat_earlier")}</p>}
      {!lines.length && whole && <p class="quiet">{t("chat_empty")}</p>}
      <ol>
        {lines.map((line) => (
          <li key={line.seq} class={`line ${line.author.split(":")[0]}`}>
            <div class="by">
              <strong>{author(line, of)}</strong>{" "}
              <time dateTime={new Date(line.at * 1000).toISOString()}>
                {new Date(line.at * 1000).toDateString() === day ? clock(line.at) : moment(line.at)}
              </time>
              {line.author === `agent:${me.value?.account.agent}` &&
                !line.delivery &&
                ` · ${t("chat_sent")}`}
              {isMail(of) && isOwn(props.talk) && !props.talk.over && <Split of={of} line={line} />}
            </div>
            <Text line={line} />
            {isMail(of) && <Letter of={of} line={line} />}
            <Files
              conversation={of.conversation ?? ""}
              files={(line.attachments ?? []).filter((each) => each.use !== "html")}
            />
            <Undelivered line={line} />
          </li>
        ))}
        {sending.map((each) => (
          <li key={each.key} class={each.failed === null ? "line agent" : "line agent failed"}>
            <div class="by" role={each.failed === null ? undefined : "alert"}>
              {each.failed === null ? t("chat_sending") : t("chat_failed", { why: each.failed })}
            </div>
            <div class="text">{each.text}</div>
            <Going files={each.files ?? []} />
            {each.failed !== null && (
              <div class="actions">
                <button onClick={() => retry(of.conversation ?? "")}>{t("chat_retry")}</button>
                <button onClick={() => takeBack(of.conversation ?? "", each.key)}>
                  {t("chat_take_back")}
                </button>
              </div>
            )}
          </li>
        ))}
      </ol>
      {!whole && freshness.value !== "stale" && <p class="quiet">{t("chat_behind")}</p>}
    </div>
  );
}

/** A text; what it quotes is folded. */
function Text(props: { line: MessageView }) {
  const { text, folded } = props.line;
  if (!folded) return <div class="text">{text}</div>;
  const letters = Array.from(text); // the switch counts characters, not halves of them
  return (
    <>
      <div class="text">{letters.slice(0, folded).join("")}</div>
      <details class="quoted">
        <summary>{t("mail_quoted")}</summary>
        <div class="text">{letters.slice(folded).join("").trim()}</div>
      </details>
    </>
  );
}

/** What is not settled yet is looked at again. */
function useSettling(name: string, talk: Talk) {
  const open = talk.lines.some(
    (line) =>
      line.delivery === "waiting" || (line.attachments ?? []).some((f) => f.state === "unscanned"),
  );
  useEffect(() => {
    if (!open) return;
    const again = window.setInterval(() => void read(name), 3000);
    return () => window.clearInterval(again);
  }, [open, name]);
}

function Composer(props: { name: string; talk: Talk }) {
  const { name, talk } = props;
  const id = useId();
  const mail = isMail(talk.of);
  const label = t("chat_write", { name: who(talk.of) });
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send(name);
      }}
    >
      <label for={id} class="label">
        {label}
      </label>
      <textarea
        id={id}
        rows={mail ? 8 : 3}
        maxLength={MOST_TEXT}
        value={talk.draft}
        aria-describedby={`${id}-hint`}
        onInput={(event) => draft(name, event.currentTarget.value)}
        onKeyDown={(event) => {
          // Enter also ends the composition of a Korean syllable.
          // In a letter it is a new line.
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          if (mail && !event.ctrlKey && !event.metaKey) return;
          event.preventDefault();
          send(name);
        }}
      />
      {talk.begun_by && <p class="quiet">{t("draft_by", { name: talk.begun_by })}</p>}
      {mail && talk.subject && (
        <Field
          label={t("chat_subject")}
          maxLength={200}
          value={talk.subject}
          onInput={(event) => titled(name, event.currentTarget.value)}
        />
      )}
      {unfilled(talk) && (
        <p class="bad" role="status">
          {t("answers_unfilled", { field: unfilled(talk) })}
        </p>
      )}
      <Going files={talk.files} name={name} />
      <Answers name={name} text={talk.draft} box={id} />
      {mail && <Below talk={talk} />}
      <div class="row">
        <button class="primary" disabled={!ready(talk)}>
          {t("chat_send")}
        </button>
        <Clip name={name} />
        <small id={`${id}-hint`} class="quiet">
          {t(mail ? "mail_write_hint" : "chat_write_hint")}
        </small>
      </div>
    </form>
  );
}

/** What came of it: said in the conversation, or in the wrap-up, which it ends. */
function Outcome(props: Pane) {
  const { name, talk, outcomes } = props;
  const [code, setCode] = useState("");
  const save = async () => {
    const path = `/agents/${encodeURIComponent(me.value?.account.agent ?? "")}/wrap-up`;
    const body = { code, done: talk.over, interaction: talk.of.interaction };
    const done = await attempt(() => ask("POST", path, body));
    if (done && talk.over) drop(name);
    else if (done) setCode("");
  };
  return (
    <>
      {outcomes.length > 0 && (
        <>
          <Choice
            label={t("wrap_up_code")}
            options={[["", "–"], ...outcomes.map((each): [string, string] => [each, each])]}
            chosen={code}
            onChange={(event) => setCode(event.currentTarget.value)}
          />
          <button disabled={!code} onClick={save}>
            {t("save")}
          </button>
        </>
      )}
      {talk.over && <button onClick={() => drop(name)}>{t("close")}</button>}
    </>
  );
}

function HandOn(props: { of: InteractionView; queues: QueueView[]; onClose: () => void }) {
  const queues = props.queues.map((each): [string, string] => [
    `queue:${each.queue}`,
    t("chat_queue", { name: each.queue }),
  ]);
  const [to, setTo] = useState(queues[0]?.[0] ?? "agent:");
  return (
    <Form
      title={t("chat_hand_on")}
      action={t("chat_hand_on")}
      onClose={props.onClose}
      onDone={(data) => {
        const agent = String(data.get("agent") ?? "").trim();
        return act(props.of, "transfer", { to: to === "agent:" ? `agent:${agent}` : to });
      }}
    >
      <Choice
        label={t("chat_hand_on_to")}
        options={[...queues, ["agent:", t("chat_to_colleague")]]}
        chosen={to}
        onChange={(event) => setTo(event.currentTarget.value)}
      />
      {to === "agent:" && <Field label={t("chat_colleague")} name="agent" required />}
    </Form>
  );
}
