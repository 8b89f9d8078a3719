// Answers that are being written, kept in the switch: on another device, after a reload, and for
// whoever takes over.
//
// What is typed is put there when one pauses, and every few seconds while one does not. Where two
// devices write, who types last is right.

import { ApiError, ask } from "./api";
import type { DraftView } from "./types";

const PAUSE_MS = 800;
const LONGEST_MS = 4000;

type Kept = {
  tag: string;
  /** What the switch has. */
  text: string;
  subject: string;
  timer: number | undefined;
  since: number;
  busy: boolean;
};
export type Written = { text: string; subject: string };

const all = new Map<string, Kept>();
const path = (name: string) => `/conversations/${encodeURIComponent(name)}/draft`;
const of = (name: string): Kept => {
  const found = all.get(name) ?? {
    ...{ tag: "", text: "", subject: "", timer: undefined, since: 0, busy: false },
  };
  all.set(name, found);
  return found;
};

/** What the switch has. Raises `ApiError`. */
export async function fetched(name: string): Promise<DraftView> {
  const { value, tag } = await ask<DraftView>("GET", path(name));
  Object.assign(of(name), { tag, text: value.text ?? "", subject: value.subject ?? "" });
  return value;
}

/** Whether this is what the switch has. */
export const same = (name: string, now: Written): boolean =>
  of(name).text === now.text && of(name).subject === now.subject;

/** Something was typed: `now` gives what there is when it is put away. */
export function typed(name: string, now: () => Written | null): void {
  const kept = of(name);
  kept.since ||= Date.now();
  window.clearTimeout(kept.timer);
  const wait = Math.max(0, Math.min(PAUSE_MS, kept.since + LONGEST_MS - Date.now()));
  kept.timer = window.setTimeout(() => void put(name, now), wait);
}

async function put(name: string, now: () => Written | null): Promise<void> {
  const kept = of(name);
  const written = now();
  if (!written || same(name, written)) {
    kept.since = 0;
    return;
  }
  if (kept.busy) {
    typed(name, now);
    return;
  }
  kept.busy = true;
  kept.since = 0;
  try {
    const { tag } = await ask<DraftView>("PUT", path(name), written, kept.tag);
    Object.assign(kept, { tag, ...written });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 412) {
      // Another device has written: what is typed here is later.
      await fetched(name).catch(() => undefined);
      typed(name, now);
    } else if (error.status === 0 || error.status >= 500 || error.status === 429) {
      window.setTimeout(() => typed(name, now), 3000);
    }
  } finally {
    kept.busy = false;
  }
}

/** It is sent, or not his any more: nothing is put away from here. */
export function forget(name: string): void {
  window.clearTimeout(all.get(name)?.timer);
  all.delete(name);
}
