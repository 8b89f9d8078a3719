// Conversations in writing of one's own agent: what is offered, what he has, what is being sent.
//
// The stream of events says that something was written; the text is read from the store, from where
// one is. What is sent waits in the session's storage until it is acknowledged, with a key of its
// own: a reload or a lost connection sends it again, and it is written once.

import { signal } from "@preact/signals";
import { ApiError, ask, get, list, upload } from "./api";
import * as drafts from "./drafts";
import { named } from "./format";
import { mediumWord, t } from "./i18n";
import { freshness, listen, type SwitchEvent } from "./live";
import type { AgentView, AttachmentView, ConversationView } from "./types";
import type { InteractionView, MessageView } from "./types";

const PAGE = 200;
const AGAIN = 20;
const MOST = 1000;
const TYPING_MS = 5000;
const TYPE_EVERY_MS = 3000;
const SOON_MS = 200;
const TRIES = 50;

/** A message on its way. `failed` is why it was not sent; null: it is being sent. */
export type Sending = {
  key: string;
  text: string;
  subject?: string;
  failed: string | null;
  files?: Attached[];
};

/** A file that is to go with the next message. No `digest`: it is being uploaded, or `failed`. */
export type Attached = { key: string; name: string; size: number; digest: string; failed: string };

/** `over`: the contact has ended, and is wrapped up. */
export type Talk = {
  of: InteractionView;
  over: boolean;
  lines: MessageView[];
  /** There are earlier ones, which are not shown. */
  more: boolean;
  /** All that is known to be there is shown. */
  whole: boolean;
  sending: Sending[];
  draft: string;
  /** Of an email: a subject of its own; empty: that of the conversation. */
  subject: string;
  /** Who has begun the answer, if it was a colleague. */
  begun_by: string;
  files: Attached[];
  /** Of an email: what the switch puts below an answer. */
  signature: string;
  read: number;
  typing_until: number;
};

type Kept = Pick<Talk, "sending" | "draft" | "subject" | "files" | "read"> & { over?: InteractionView };

/** By conversation, in the order in which they came. */
export const talks = signal<Record<string, Talk>>({});
export const shown = signal("");
/** What a screen reader is told of new messages. */
export const news = signal("");

let own = "";
const wanted = new Map<string, number>();
const reading = new Set<string>();
const posting = new Set<string>();
const typed = new Map<string, number>();

export const who = (of: InteractionView): string => named(of) || of.caller || of.peer;

export const isOwn = (talk: Talk): boolean =>
  talk.over || (talk.of.phase === "talking" && talk.of.agent === own);
const byCustomer = (line: MessageView): boolean => line.author === "customer";

export const unread = (talk: Talk): number =>
  talk.lines.filter((each) => byCustomer(each) && each.seq > talk.read).length;

/** Since when the customer waits for an answer; 0: he does not. */
export function unanswered(talk: Talk): number {
  if (talk.over) return 0;
  let since = 0;
  for (const line of talk.lines) {
    if (line.author.startsWith("agent:")) since = 0;
    else if (byCustomer(line) && !since) since = line.at;
  }
  return since;
}

// -- what is kept over a reload ------------------------------------------------------------------

const place = (conversation: string) => `cicswitch.talk.${own}.${conversation}`;

function kept(conversation: string): Kept {
  try {
    const found = JSON.parse(sessionStorage.getItem(place(conversation)) ?? "{}");
    return { sending: [], draft: "", subject: "", files: [], read: 0, ...found };
  } catch {
    return { sending: [], draft: "", subject: "", files: [], read: 0 };
  }
}

function keep(conversation: string): void {
  const talk = talks.value[conversation];
  try {
    if (!talk) sessionStorage.removeItem(place(conversation));
    else {
      const { sending, draft, subject, read } = talk;
      const over = talk.over ? talk.of : undefined;
      const files = talk.files.filter((each) => each.digest);
      const left = JSON.stringify({ sending, draft, subject, files, read, over });
      sessionStorage.setItem(place(conversation), left);
    }
  } catch {
    // It is forbidden, or full: a reload forgets then what was not sent.
  }
}

/** Contacts that were being wrapped up before a reload. */
function wrappingUp(): InteractionView[] {
  const found: InteractionView[] = [];
  try {
    for (let at = 0; at < sessionStorage.length; at++) {
      const key = sessionStorage.key(at) ?? "";
      if (key.startsWith(place(""))) {
        const { over } = kept(key.slice(place("").length));
        if (over) found.push(over);
      }
    }
  } catch {
    return [];
  }
  return found;
}

function change(conversation: string, by: Partial<Talk>): void {
  const before = talks.value[conversation];
  if (!before) return;
  talks.value = { ...talks.value, [conversation]: { ...before, ...by } };
  if ("sending" in by || "draft" in by || "subject" in by || "files" in by || "read" in by || "over" in by) keep(conversation);
}

// -- what there is -------------------------------------------------------------------------------

/** Follow the conversations of an agent. Returns what ends it. */
export function follow(agent: string): () => void {
  own = agent;
  talks.value = {};
  for (const of of wrappingUp()) add(of, true);
  const end = listen(heard, anew);
  anew();
  const title = document.title;
  const ends = talks.subscribe((now) => {
    const count = Object.values(now).filter(isOwn).reduce((sum, each) => sum + unread(each), 0);
    const offers = Object.values(now).filter((each) => !isOwn(each)).length;
    document.title = count + offers ? `(${count + offers}) ${title}` : title;
  });
  return () => {
    end();
    ends();
    document.title = title;
    window.clearTimeout(due);
    own = "";
    talks.value = {};
  };
}

let due: number | undefined;
let looking = false;
let again = false;
/** Events may have been missed: what was written is looked for. */
let missed = true;

function anew(): void {
  missed = true;
  renew();
}

function renew(): void {
  window.clearTimeout(due);
  due = window.setTimeout(look, SOON_MS / 2);
}

/** Look what one has and is offered. */
async function look(): Promise<void> {
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  const agent = own;
  try {
    const found = await list<InteractionView>(`/interactions?agent=${encodeURIComponent(agent)}`);
    if (agent === own) take(found.filter((each) => each.conversation && each.phase !== "snoozed"));
    if (Object.values(talks.value).some((each) => each.over)) await clear(agent);
  } catch {
    // The stream says when the switch is there again; meanwhile the page says that it is not.
    if (own && freshness.value === "live") due = window.setTimeout(look, 2000);
  } finally {
    looking = false;
    if (again) {
      again = false;
      renew();
    }
  }
}

/** Forget what is not wrapped up any more. */
async function clear(agent: string): Promise<void> {
  const { state } = await get<AgentView>(`/agents/${encodeURIComponent(agent)}`);
  if (agent !== own || !["idle", "alerting", "paused", "offline"].includes(state)) return;
  for (const [name, talk] of Object.entries(talks.value)) if (talk.over) drop(name);
}

function take(found: InteractionView[]): void {
  const there = new Map(found.map((each) => [each.conversation ?? "", each]));
  for (const [name, talk] of Object.entries(talks.value)) {
    if (there.has(name)) continue;
    if (talk.over) continue;
    // What he had and has no more is wrapped up; an offer that is gone is gone.
    if (isOwn(talk) && !ended.delete(talk.of.interaction))
      change(name, { over: true, typing_until: 0 });
    else drop(name);
  }
  for (const [name, of] of there) {
    const before = talks.value[name];
    if (!before) {
      add(of, false);
      if (of.phase !== "talking") {
        news.value = t("chat_offer", { name: who(of), medium: mediumWord(of.medium), queue: of.queue });
        sound();
      }
    } else change(name, { of, over: false });
    if (of.phase === "talking" && of.agent === own && before?.of.phase !== "talking") void begun(name);
    if (missed || !before?.whole || before.of.phase !== of.phase) void read(name);
    void post(name);
  }
  missed = false;
  const mine = Object.entries(talks.value).filter(([, talk]) => isOwn(talk));
  if (!mine.some(([name]) => name === shown.value)) shown.value = mine[0]?.[0] ?? "";
}

function add(of: InteractionView, over: boolean): void {
  const name = of.conversation ?? "";
  const { sending, draft, subject, files, read: seen } = kept(name);
  const talk: Talk = {
    ...{ of, over, lines: [], more: false, whole: false },
    ...{ sending, draft, subject, begun_by: "", files, signature: "", read: seen, typing_until: 0 },
  };
  talks.value = { ...talks.value, [name]: talk };
  if (over) void read(name);
}

/** One conversation has gone into another, or some of it away: it is read anew. */
export async function merged(conversation: string, gone: string): Promise<void> {
  if (gone) drop(gone);
  change(conversation, { lines: [], more: false, whole: false });
  await look();
  await read(conversation);
}

/** Take up what is kept in the switch of an answer, if nothing else is written here. */
async function begun(name: string): Promise<void> {
  try {
    const kept = await drafts.fetched(name);
    const talk = talks.value[name];
    if (!talk || talk.sending.length) return;
    if (talk.draft) save(name);
    else if (kept.text)
      change(name, {
        ...{ draft: kept.text, subject: kept.subject ?? "" },
        begun_by: kept.agent === own ? "" : (kept.agent ?? ""),
      });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

/** Have what is written kept in the switch. */
function save(name: string): void {
  drafts.typed(name, () => {
    const talk = talks.value[name];
    return talk && !talk.over && isOwn(talk) ? { text: talk.draft, subject: talk.subject } : null;
  });
}

/** Another device of his has written. */
async function followed(name: string): Promise<void> {
  const talk = talks.value[name];
  if (!talk || !isOwn(talk) || talk.over) return;
  if (!drafts.same(name, { text: talk.draft, subject: talk.subject })) return;
  try {
    const kept = await drafts.fetched(name);
    if (talks.value[name]?.draft === talk.draft && kept.text !== talk.draft)
      change(name, { draft: kept.text ?? "", subject: kept.subject ?? "" });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

/** Show it no more. */
export function drop(conversation: string): void {
  drafts.forget(conversation);
  const { [conversation]: _, ...rest } = talks.value;
  talks.value = rest;
  wanted.delete(conversation);
  keep(conversation);
  if (shown.value === conversation) shown.value = Object.keys(rest)[0] ?? "";
}

function heard(event: SwitchEvent): void {
  if (event.agent !== own) return;
  const name = String(event.conversation ?? "");
  if (event.type === "CustomerTyped") change(name, { typing_until: Date.now() + TYPING_MS });
  else if (event.type === "DraftKept") void followed(name);
  else if (event.type === "ConversationMerged") void merged(name, String(event.merged));
  else if (event.type === "ConversationSplit") void merged(name, "");
  else if (event.type === "MessageWritten") {
    wanted.set(name, Math.max(wanted.get(name) ?? 0, Number(event.seq)));
    if (talks.value[name]) void read(name);
    else renew();
  } else if (event.type === "WrapUpEnded") {
    for (const [each, talk] of Object.entries(talks.value))
      if (talk.of.interaction === event.interaction && talk.over) drop(each);
      else if (talk.of.interaction === event.interaction) ended.add(String(event.interaction));
    renew();
  } else renew();
}

/** Interactions whose wrap-up was over before it was seen that they were. */
const ended = new Set<string>();

// -- messages in ---------------------------------------------------------------------------------

/** Read what is not shown yet. An event may come before the text is on disk. */
export async function read(name: string): Promise<void> {
  if (reading.has(name)) return;
  reading.add(name);
  try {
    for (let tries = 0; tries < TRIES && talks.value[name]; ) {
      const talk = talks.value[name] as Talk;
      const before = talk.lines.at(-1)?.seq ?? 0;
      // Whether an email has arrived is known later: the last ones are looked at again.
      let after = talk.of.medium === "email" ? Math.max(0, before - AGAIN) : before;
      if (!talk.lines.length) {
        const path = `/conversations/${encodeURIComponent(name)}`;
        const about = await get<ConversationView>(path);
        change(name, { signature: about.signature ?? "" });
        after = Math.max(0, about.messages - PAGE);
        if (after) change(name, { more: true });
      }
      const path = `/conversations/${encodeURIComponent(name)}/messages`;
      const found = await get<MessageView[]>(`${path}?after=${after}&limit=${PAGE}`);
      merge(name, found);
      const last = talks.value[name]?.lines.at(-1)?.seq ?? 0;
      if (found.length === PAGE) continue;
      if (last >= (wanted.get(name) ?? 0)) {
        change(name, { whole: true });
        break;
      }
      change(name, { whole: false });
      tries++;
      await new Promise((done) => window.setTimeout(done, SOON_MS));
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    change(name, { whole: false });
    // Not there: the stream says when it is. Not his any more: what there is stays.
    if (error.status >= 500 || error.status === 429) window.setTimeout(() => void read(name), 2000);
  } finally {
    reading.delete(name);
  }
}

function merge(name: string, found: MessageView[]): void {
  const talk = talks.value[name];
  if (!talk || !found.length) return;
  const last = talk.lines.at(-1)?.seq ?? 0;
  const fresh = found.filter((each) => !talk.lines.some((line) => line.seq === each.seq));
  const newer = new Map(found.map((each) => [each.seq, each]));
  const known = talk.lines.map((line) => newer.get(line.seq) ?? line);
  if (!fresh.length) {
    change(name, { lines: known });
    return;
  }
  const lines = [...known, ...fresh].sort((a, b) => a.seq - b.seq);
  const more = talk.more || lines.length > MOST;
  change(name, { lines: lines.slice(-MOST), more });
  const heardNow = fresh.filter((each) => byCustomer(each) && each.seq > talk.read);
  const said = heardNow.at(-1);
  if (said) {
    change(name, { typing_until: 0 });
    // What was there when the page was opened is not announced.
    if (last) {
      news.value = t("chat_news", { name: who(talk.of), text: said.text.slice(0, 200) });
      sound();
    }
  }
  seen();
}

/** What is shown to somebody who looks is read: the customer is told so. */
export function seen(): void {
  const talk = talks.value[shown.value];
  if (!talk || talk.over || !isOwn(talk) || document.hidden || !document.hasFocus()) return;
  if (!location.hash.startsWith("#/desk")) return;
  const last = talk.lines.filter(byCustomer).at(-1)?.seq ?? 0;
  if (last <= talk.read) return;
  change(shown.value, { read: last });
  void quietly(shown.value, "read", { seq: last });
}

document.addEventListener("visibilitychange", seen);
window.addEventListener("focus", seen);
window.addEventListener("hashchange", seen);

const quietly = (name: string, verb: string, body?: unknown) =>
  ask("POST", `/conversations/${encodeURIComponent(name)}/${verb}`, body).catch(() => undefined);

/** A short tone, if nobody looks. */
function sound(): void {
  if (!document.hidden) return;
  try {
    const audio = new AudioContext();
    const [tone, volume] = [audio.createOscillator(), audio.createGain()];
    tone.frequency.value = 660;
    volume.gain.value = 0.08;
    tone.connect(volume).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.15);
    tone.onended = () => void audio.close();
  } catch {
    // A browser without sound has the mark in the title.
  }
}

// -- messages out --------------------------------------------------------------------------------

/** What still has to be filled in of a template. */
export const unfilled = (talk: Talk): string =>
  /{field:[^{}\n]{0,80}}?/.exec(`${talk.subject}\n${talk.draft}`)?.[0] ?? "";

/** The subject of an answer. */
export function titled(name: string, subject: string): void {
  change(name, { subject });
  save(name);
}

export function draft(name: string, text: string): void {
  change(name, { draft: text });
  save(name);
  const now = Date.now();
  if (!text || now - (typed.get(name) ?? 0) < TYPE_EVERY_MS) return;
  typed.set(name, now);
  void quietly(name, "typing");
}

/** A key for one message. `crypto.randomUUID` is there by HTTPS only. */
function key(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}

/** Whether there is something that can be sent. */
export function ready(talk: Talk): boolean {
  if (unfilled(talk)) return false;
  return talk.files.every((each) => each.digest) && (talk.files.length > 0 || !!talk.draft.trim());
}

export function send(name: string): void {
  const talk = talks.value[name];
  if (!talk || !ready(talk)) return;
  typed.delete(name);
  const said = { key: key(), text: talk.draft.trim(), subject: talk.subject, failed: null, files: talk.files };
  drafts.forget(name);
  change(name, { draft: "", subject: "", begun_by: "", files: [], sending: [...talk.sending, said] });
  void post(name);
}

/** Upload files, to go with the next message. */
export function attach(name: string, given: Iterable<File>): void {
  for (const file of given) {
    const made = { key: key(), name: file.name, size: file.size, digest: "", failed: "" };
    change(name, { files: [...(talks.value[name]?.files ?? []), made] });
    void uploaded(name, made.key, file);
  }
}

async function uploaded(name: string, which: string, file: File): Promise<void> {
  let by: Partial<Attached>;
  try {
    const query = new URLSearchParams({ conversation: name, name: file.name || "file" });
    const { digest } = await upload<AttachmentView>(`/attachments?${query}`, file);
    by = { digest };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    by = { failed: error.message || (error.status ? t("failed") : t("no_answer")) };
  }
  const files = talks.value[name]?.files.map((each) =>
    each.key === which ? { ...each, ...by } : each,
  );
  if (files) change(name, { files });
}

/** Do not send a file. */
export function detach(name: string, which: string): void {
  change(name, { files: talks.value[name]?.files.filter((each) => each.key !== which) ?? [] });
}

/** Send what failed again, with the same key. */
export function retry(name: string): void {
  const sending = talks.value[name]?.sending.map((each) => ({ ...each, failed: null }));
  change(name, { sending });
  void post(name);
}

/** Take back what failed, into the line that one writes in. */
export function takeBack(name: string, which: string): void {
  const talk = talks.value[name];
  const said = talk?.sending.find((each) => each.key === which);
  if (!talk || !said) return;
  const sending = talk.sending.filter((each) => each.key !== which);
  const files = [...(said.files ?? []), ...talk.files];
  change(name, { sending, files, draft: [said.text, talk.draft].filter(Boolean).join("\n") });
}

/** One after the other; those behind one that failed wait for it. */
async function post(name: string): Promise<void> {
  if (posting.has(name)) return;
  posting.add(name);
  try {
    for (let tries = 0; ; ) {
      const first = talks.value[name]?.sending[0];
      if (!first || first.failed !== null) return;
      const path = `/conversations/${encodeURIComponent(name)}/messages`;
      try {
        const attachments = (first.files ?? []).map((each) => each.digest);
        const body = {
          text: first.text,
          ...(first.subject ? { subject: first.subject } : {}),
          ...(attachments.length ? { attachments } : {}),
        };
        const sent = await ask<MessageView>("POST", path, body, "", first.key);
        const rest = talks.value[name]?.sending.filter((each) => each.key !== first.key);
        change(name, { sending: rest ?? [] });
        wanted.set(name, Math.max(wanted.get(name) ?? 0, sent.value.seq));
        // Another's message may be between: what is shown has no gaps.
        if (sent.value.seq === (talks.value[name]?.lines.at(-1)?.seq ?? 0) + 1)
          merge(name, [sent.value]);
        void read(name);
        tries = 0;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        // 409 with the same key also says that the first try is not answered yet.
        if ((error.status === 409 || error.status === 429) && ++tries < 5) {
          await new Promise((done) => window.setTimeout(done, 500 * tries));
          continue;
        }
        const failed = error.message || (error.status ? t("failed") : t("no_answer"));
        const sending = talks.value[name]?.sending.map((each) => ({ ...each, failed }));
        change(name, { sending: sending ?? [] });
        return;
      }
    }
  } finally {
    posting.delete(name);
  }
}

/** Do something with a contact, and look what came of it. Raises `ApiError`. */
export async function act(of: InteractionView, verb: string, body?: unknown): Promise<void> {
  await ask("POST", `/interactions/${encodeURIComponent(of.interaction)}/${verb}`, body);
  if (verb === "take") shown.value = of.conversation ?? "";
  await look();
}
