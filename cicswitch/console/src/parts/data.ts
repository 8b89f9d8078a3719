// Reading from the switch: once, again and again, or whenever something happens.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { hears, may } from "../api";
import { freshness, listen, type SwitchEvent } from "../live";
import { tellError } from "./basics";

/** What `read` gave; null until then. `again` reads anew. */
export function useRead<T>(read: () => Promise<T>, keys: unknown[] = []) {
  const [value, setValue] = useState<T | null>(null);
  const turn = useRef(0);
  const again = useCallback(async () => {
    const mine = ++turn.current;
    try {
      const found = await read();
      if (mine === turn.current) setValue(found);
    } catch (error) {
      if (mine === turn.current) tellError(error);
    }
  }, keys);
  useEffect(() => {
    void again();
    return () => {
      turn.current++;
    };
  }, [again]);
  return { value, again, set: setValue };
}

const QUIET_MS = 1000;
const POLL_MS = 3000;

/** As `useRead`, and anew after events that `concerns` it, at most once a second, and in any case
 * every so often, because waits grow without events. Who may hear no events reads by the clock. */
export function useLive<T>(
  read: () => Promise<T>,
  concerns: (event: SwitchEvent) => boolean,
  keys: unknown[] = [],
  every_ms = 5000,
) {
  const { value, again, set } = useRead(read, keys);
  useEffect(() => {
    let due: number | undefined;
    let ended = false;
    const soon = (ms: number) => {
      window.clearTimeout(due);
      if (!ended) due = window.setTimeout(run, ms);
    };
    let ran = 0;
    let asked = false;
    const run = async () => {
      if (document.hidden) return soon(every_ms);
      ran = Date.now();
      asked = false;
      if (!hears() || freshness.value !== "stale") await again();
      soon(may("events:read") ? every_ms : POLL_MS);
    };
    const want = () => {
      if (asked) return;
      asked = true;
      soon(Math.max(0, ran + QUIET_MS - Date.now()));
    };
    const end = hears()
      ? listen((event) => concerns(event) && want(), want)
      : () => undefined;
    soon(hears() ? every_ms : POLL_MS);
    return () => {
      ended = true;
      window.clearTimeout(due);
      end();
    };
  }, [again]);
  return { value, again, set };
}

/** The time in seconds, each second. */
export function useClock(): number {
  const [now, setNow] = useState(Date.now() / 1000);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now() / 1000), 1000);
    return () => window.clearInterval(timer);
  }, []);
  return now;
}
