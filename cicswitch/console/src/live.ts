// The stream of events, and whether what is shown is fresh.
//
// A wall has to stay right for days: the connection is made again whenever it breaks, from the last
// event that was seen; what the switch does not keep any more is read anew; and numbers that may be
// old are never shown as fresh.

import { signal } from "@preact/signals";
import type { ChatMessage } from "./types";

export type SwitchEvent = { id: number; type: string; at: number; [key: string]: unknown };
type Message =
  | { type: "hello"; id: number; at: number; heartbeat_s: number }
  | { type: "events"; events: SwitchEvent[] }
  | { type: "heartbeat"; id: number; at: number }
  | { type: "chat"; messages: ChatMessage[]; missed: boolean }
  | { type: "gap"; after: number; id: number }
  | { type: "dropped"; reason: string }
  | { type: "subscribed" | "problem" };

/** `live`: the connection stands; `stale`: it does not; `off`: nobody listens. */
export const freshness = signal<"live" | "stale" | "off">("off");
/** When the switch was heard last, by this clock. */
export const heardAt = signal(0);
/** What the switch's clock is ahead of this one, in seconds. */
export const skew = signal(0);

/** What colleagues have just written; `missed`: there was more. */
export const told = signal<{ messages: ChatMessage[]; missed: boolean }>({
  messages: [],
  missed: false,
});

const listeners = new Set<(event: SwitchEvent) => void>();
const renewals = new Set<() => void>();
let socket: WebSocket | null = null;
let last = 0;
let silent: number | undefined;
let again: number | undefined;
let heartbeat_s = 15;
let wait_ms = 0;

/** Hear every event; `anew` is called when some may have been missed. Returns what ends it. */
export function listen(heard: (event: SwitchEvent) => void, anew: () => void): () => void {
  listeners.add(heard);
  renewals.add(anew);
  if (!socket && again === undefined) connect();
  return () => {
    listeners.delete(heard);
    renewals.delete(anew);
    if (!listeners.size) hangUp();
  };
}

export const switchNow = (): number => Date.now() / 1000 + skew.value;

function connect(): void {
  again = undefined;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const after = last ? `?after=${last}` : "";
  const made = new WebSocket(`${scheme}://${location.host}/api/v1/events${after}`);
  socket = made;
  watch();
  made.onmessage = (message) => {
    if (made === socket) take(JSON.parse(message.data as string) as Message);
  };
  made.onclose = () => {
    if (made === socket) broken();
  };
}

function take(message: Message): void {
  heardAt.value = Date.now();
  watch();
  if (message.type === "hello") {
    heartbeat_s = message.heartbeat_s;
    skew.value = message.at - Date.now() / 1000;
    wait_ms = 0;
    const first = !last;
    if (first) last = message.id;
    if (first || freshness.value !== "live") for (const anew of renewals) anew();
    freshness.value = "live";
  } else if (message.type === "events") {
    for (const event of message.events) {
      last = event.id;
      for (const heard of listeners) heard(event);
    }
  } else if (message.type === "heartbeat") {
    last = Math.max(last, message.id);
    skew.value = message.at - Date.now() / 1000;
  } else if (message.type === "chat") {
    told.value = { messages: message.messages, missed: message.missed };
  } else if (message.type === "gap") {
    last = message.id;
    for (const anew of renewals) anew();
  }
}

/** No message for two heartbeats: the connection is dead, whatever the browser thinks. */
function watch(): void {
  window.clearTimeout(silent);
  silent = window.setTimeout(broken, heartbeat_s * 2000);
}

function broken(): void {
  window.clearTimeout(silent);
  const old = socket;
  socket = null;
  old?.close();
  if (!listeners.size) return;
  freshness.value = "stale";
  wait_ms = Math.min(15_000, wait_ms ? wait_ms * 2 : 500);
  // Not all walls at once, when a switch comes back.
  again = window.setTimeout(connect, wait_ms * (0.5 + Math.random() / 2));
}

function hangUp(): void {
  window.clearTimeout(silent);
  window.clearTimeout(again);
  again = undefined;
  const old = socket;
  socket = null;
  old?.close();
  last = 0;
  freshness.value = "off";
}
