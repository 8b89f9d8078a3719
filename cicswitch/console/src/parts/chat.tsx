// What colleagues write to one another: a drawer beside any page.
//
// Messages come with the stream of events and are merged by their numbers; whenever some may have
// been missed, all after the last one are asked for.

import { effect, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, hears, list, may, me, post } from "../api";
import { clock } from "../format";
import { stateWord, t } from "../i18n";
import { freshness, told } from "../live";
import { call, phone } from "../softphone";
import type { ChatMessage, ChatMessages, ChatRoom } from "../types";
import { attempt, State, tell } from "./basics";

const KEPT = 500;
const POLL_MS = 3000;
const PRESENCE_MS = 10_000;

const rooms = signal<ChatRoom[]>([]);
const messages = signal<ChatMessage[]>([]);
const shown = signal(false);
const chosen = signal("");
let last = 0;
let reading = false;

const forget = (): void => {
  rooms.value = [];
  messages.value = [];
  shown.value = false;
  chosen.value = "";
  last = 0;
};
effect(() => {
  if (!me.value) forget();
});

function merge(found: ChatMessage[]): ChatMessage[] {
  const known = new Set(messages.value.map((each) => each.seq));
  const fresh = found.filter((each) => !known.has(each.seq));
  if (fresh.length)
    messages.value = [...messages.value, ...fresh].sort((a, b) => a.seq - b.seq).slice(-KEPT);
  return fresh;
}

function come(found: ChatMessage[]): void {
  const fresh = merge(found);
  last = Math.max(last, ...found.map((each) => each.seq));
  const own = me.value?.account.name;
  const theirs = fresh.filter((each) => each.sender !== own);
  for (const each of theirs) {
    const seen = shown.value && chosen.value === each.to;
    if (seen) void readUp(each.to);
    else {
      rooms.value = rooms.value.map((room) =>
        room.to === each.to ? { ...room, unread: room.unread + 1, last: each.seq } : room,
      );
      if (!shown.value)
        tell(t("message_from", { name: nameOf(each.sender), text: each.text.slice(0, 120) }));
    }
  }
}

const nameOf = (account: string): string =>
  rooms.value.find((each) => each.to === `account:${account}`)?.name ??
  (account === me.value?.account.name ? t("chat_you") : account);

const titleOf = (room: ChatRoom): string =>
  room.to === "supervisors"
    ? t("chat_supervisors")
    : room.to.startsWith("queue:")
      ? t("chat_team", { queue: room.name })
      : room.name;

async function readRooms(): Promise<void> {
  const found = await list<ChatRoom>("/chat");
  if (!last) last = Math.max(0, ...found.map((each) => each.last));
  rooms.value = found;
}

/** All that came after the last one. */
async function catchUp(): Promise<void> {
  if (reading) return;
  reading = true;
  try {
    let more = true;
    while (more) {
      const found = await get<ChatMessages>(`/chat/messages?after=${last}&limit=500`);
      come(found.items);
      more = found.more;
    }
  } finally {
    reading = false;
  }
}

async function readUp(to: string): Promise<void> {
  const seq = Math.max(0, ...messages.value.filter((each) => each.to === to).map((m) => m.seq));
  rooms.value = rooms.value.map((room) => (room.to === to ? { ...room, unread: 0 } : room));
  if (seq) await post("/chat/read", { to, seq });
}

async function open(to: string): Promise<void> {
  chosen.value = to;
  const found = await get<ChatMessages>(
    `/chat/messages?to=${encodeURIComponent(to)}&before=${2 ** 52}`,
  );
  merge(found.items);
  await readUp(to);
}

/** The button in the head of the page, and what keeps the messages fresh. */
export function ChatButton() {
  useEffect(() => {
    const quietly = (work: () => Promise<void>) =>
      void work().catch((error: unknown) => {
        if (!(error instanceof ApiError)) throw error;
      });
    quietly(readRooms);
    const presence = window.setInterval(() => quietly(readRooms), PRESENCE_MS);
    const poll = hears() ? undefined : window.setInterval(() => quietly(catchUp), POLL_MS);
    const stop = effect(() => {
      const { messages: found, missed } = told.value;
      if (found.length) come(found);
      if (missed) quietly(catchUp);
    });
    const renew = effect(() => {
      if (freshness.value === "live" && last) quietly(catchUp);
    });
    return () => {
      window.clearInterval(presence);
      window.clearInterval(poll);
      stop();
      renew();
    };
  }, []);
  const unread = rooms.value.reduce((n, room) => n + room.unread, 0);
  return (
    <button
      type="button"
      aria-expanded={shown.value}
      aria-controls="chat"
      onClick={() => {
        shown.value = !shown.value;
      }}
    >
      {unread ? t("chat_unread", { count: unread }) : t("chat")}
    </button>
  );
}

export function ChatDrawer() {
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!shown.value) return;
    const before = document.activeElement;
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, [shown.value]);
  useEffect(() => {
    if (shown.value) box.current?.querySelector<HTMLElement>("input, textarea")?.focus();
  }, [shown.value, chosen.value]);
  if (!shown.value) return null;
  const room = rooms.value.find((each) => each.to === chosen.value);
  return (
    <aside
      id="chat"
      class="drawer"
      aria-label={t("chat")}
      ref={box}
      onKeyDown={(event) => {
        if (event.key === "Escape") shown.value = false;
      }}
    >
      <header>
        <h2>{room ? titleOf(room) : t("chat")}</h2>
        {room && (
          <button
            type="button"
            onClick={() => {
              chosen.value = "";
            }}
          >
            {t("chat_all")}
          </button>
        )}
        <button
          type="button"
          class="plain"
          aria-label={t("close")}
          onClick={() => {
            shown.value = false;
          }}
        >
          ×
        </button>
      </header>
      {room ? <Room key={room.to} room={room} /> : <Rooms />}
    </aside>
  );
}

function Rooms() {
  const [wanted, setWanted] = useState("");
  const found = rooms.value
    .filter((each) => titleOf(each).toLowerCase().includes(wanted.toLowerCase()))
    .sort(
      (a, b) =>
        Number(b.unread > 0) - Number(a.unread > 0) ||
        b.last - a.last ||
        titleOf(a).localeCompare(titleOf(b)),
    );
  return (
    <>
      <input
        aria-label={t("chat_find")}
        placeholder={t("chat_find")}
        value={wanted}
        onInput={(event) => setWanted(event.currentTarget.value)}
      />
      <ul class="rooms">
        {found.map((each) => (
          <li key={each.to}>
            <button type="button" onClick={() => void attempt(() => open(each.to))}>
              <span>{titleOf(each)}</span>{" "}
              {each.presence && (
                <State
                  state={each.presence}
                  text={each.presence === "online" ? t("chat_online") : stateWord(each.presence)}
                />
              )}{" "}
              {each.unread > 0 && (
                <strong class="badge help">{t("chat_new", { count: each.unread })}</strong>
              )}
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function Room(props: { room: ChatRoom }) {
  const { room } = props;
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  // The same name as long as it is not kept: sent again it is not there twice.
  const name = useRef(crypto.getRandomValues(new Uint32Array(4)).join("-"));
  const end = useRef<HTMLDivElement>(null);
  const said = messages.value.filter((each) => each.to === room.to);
  useEffect(() => {
    end.current?.scrollTo(0, end.current.scrollHeight);
  }, [said.length]);
  const send = async () => {
    if (!text.trim() || busy) return;
    setBusy(true);
    const done = await attempt(async () => {
      const body = { to: room.to, text, id: name.current };
      // `last` goes by the stream alone: there may be one before it that is still on its way.
      merge([await post<ChatMessage>("/chat/messages", body)]);
    });
    setBusy(false);
    if (!done) return;
    name.current = crypto.getRandomValues(new Uint32Array(4)).join("-");
    setText("");
  };
  const ready = phone.value.state === "ready" && !phone.value.calls.length;
  return (
    <>
      <div class="row">
        {room.presence && (
          <State
            state={room.presence}
            text={room.presence === "online" ? t("chat_online") : stateWord(room.presence)}
          />
        )}
        {room.number && may("agents:self") && (
          <button type="button" disabled={!ready} onClick={() => call(room.number)}>
            {t("chat_call", { number: room.number })}
          </button>
        )}
      </div>
      {room.to === "supervisors" && !may("agents:write") && (
        <p class="quiet">{t("chat_supervisors_hint")}</p>
      )}
      <div class="said" role="log" aria-label={t("chat_messages")} tabIndex={0} ref={end}>
        {said.length ? (
          said.map((each) => (
            <p key={each.seq} class={each.sender === me.value?.account.name ? "own-words" : ""}>
              <span class="quiet">
                {nameOf(each.sender)} · {clock(each.at)}
              </span>
              <span class="words">{each.text}</span>
            </p>
          ))
        ) : (
          <p class="quiet">{t("chat_none")}</p>
        )}
      </div>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <textarea
          aria-label={t("chat_text")}
          rows={2}
          maxLength={2000}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void send();
          }}
        />
        <button class="primary" disabled={busy || !text.trim()}>
          {t("chat_send")}
        </button>
      </form>
    </>
  );
}
