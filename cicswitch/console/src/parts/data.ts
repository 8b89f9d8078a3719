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
const GATHER_MS = 250;

/** As `useRead`, and kept up with events that `concerns` it.
 *
 * With `change` they are worked into what was read; without, it is read anew, at most once a second.
 * In any case it is read again every so often, because waits grow without events. Who may hear no
 * events reads by the clock. */
export function useLive<T>(
  read: () => Promise<T>,
  concerns: (event: SwitchEvent) => boolean,
  keys: unknown[] = [],
  every_ms = 5000,
  change?: (value: T, events: SwitchEvent[]) => T,
) {
  const { value, again, set } = useRead(read, keys);
  useEffect(() => {
    let ended = false;
    // -- reading
    let due: number | undefined;
    let ran = 0;
    let asked = false;
    let reading = false;
    const rest = () => (may("events:read") ? every_ms : POLL_MS);
    const soon = (ms: number) => {
      window.clearTimeout(due);
      if (!ended) due = window.setTimeout(run, ms);
    };
    const left = () => Math.max(0, ran + QUIET_MS - Date.now());
    const run = async () => {
      if (document.hidden) return soon(every_ms);
      ran = Date.now();
      asked = false;
      if (!hears() || freshness.value !== "stale") {
        reading = true;
        await again();
        reading = false;
        work(during.splice(0)); // what was read may be older than these
      }
      soon(asked ? left() : rest());
    };
    const want = () => {
      if (asked) return;
      asked = true;
      if (!reading) soon(left());
    };
    // -- working events in
    const pending: SwitchEvent[] = [];
    const during: SwitchEvent[] = [];
    let gathering: number | undefined;
    const work = (events: SwitchEvent[]) => {
      if (events.length && change && !ended)
        set((before) => (before === null ? before : change(before, events)));
    };
    const take = (event: SwitchEvent) => {
      pending.push(event);
      if (reading) during.push(event);
      gathering ??= window.setTimeout(() => {
        gathering = undefined;
        work(pending.splice(0));
      }, GATHER_MS);
    };
    const end = hears()
      ? listen((event) => concerns(event) && (change ? take(event) : want()), want)
      : () => undefined;
    soon(rest());
    return () => {
      ended = true;
      window.clearTimeout(due);
      window.clearTimeout(gathering);
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
