// Numbers as people read them.

import { language } from "./settings";

const locale = () => (language.value === "ko" ? "ko-KR" : "en-GB");

export const NONE = "–";

/** Seconds as 0:42, 12:05 or 3:20:11. */
export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined) return NONE;
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 1 }).format(
    share,
  );
}

export const count = (n: number | null | undefined): string =>
  n === null || n === undefined ? NONE : new Intl.NumberFormat(locale()).format(n);

export const clock = (at: number): string =>
  new Date(at * 1000).toLocaleTimeString(locale(), { hour12: false });

/** Times beside an axis: of day, or the dates where there are several. */
export const ticks = (times: number[]): string[] => {
  const days = (times.at(-1) ?? 0) - (times[0] ?? 0) > 2 * 86_400;
  return times.map((at) =>
    new Date(at * 1000).toLocaleString(
      locale(),
      days
        ? { month: "short", day: "numeric" }
        : { hour: "2-digit", minute: "2-digit", hour12: false },
    ),
  );
};

export const moment = (at: number | null | undefined): string =>
  at
    ? new Date(at * 1000).toLocaleString(locale(), {
        dateStyle: "medium",
        timeStyle: "medium",
        hour12: false,
      })
    : NONE;

/** A day of the calendar here, so many days from today, as a field for dates has it. */
export const day = (offset: number): string => {
  const at = new Date(Date.now() + offset * 86_400_000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
};

/** When a day begins here, in seconds of the epoch. */
export const midnight = (date: string): string => String(new Date(`${date}T00:00:00`).getTime() / 1000);

/** What is known of a customer. What an email says of itself stands at the email. */
export const known = (of: { medium: string; context: Record<string, string> }) =>
  Object.entries(of.context).filter(([key]) => of.medium !== "email" || !key.startsWith("mail_"));

/** His name: that of the customer whom the center knows, if it is sure, else what he calls himself. */
export const named = (of: {
  caller_name: string;
  customer_name?: string;
  customer_sure?: boolean;
}): string => (of.customer_sure !== false && of.customer_name) || of.caller_name;

/** Bytes as people say them. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} KB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
