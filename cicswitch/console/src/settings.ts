// What somebody has chosen on this screen. It stays in this browser.

import { effect, signal } from "@preact/signals";

export type Language = "en" | "ko";
export type Theme = "system" | "light" | "dark";
export type Limits = { wait_s: number; service_level: number; abandoned: number };

function kept<T>(key: string, otherwise: T) {
  let first = otherwise;
  try {
    const text = localStorage.getItem(`cicswitch.${key}`);
    if (text !== null) first = JSON.parse(text) as T;
  } catch {
    // A browser without storage, or a text that is not ours: begin anew.
  }
  const made = signal<T>(first);
  effect(() => {
    try {
      localStorage.setItem(`cicswitch.${key}`, JSON.stringify(made.value));
    } catch {
      // It is forgotten with the page then.
    }
  });
  return made;
}

export const language = kept<Language>(
  "language",
  navigator.language.startsWith("ko") ? "ko" : "en",
);
export const theme = kept<Theme>("theme", "system");
/** From which on a queue calls for attention. */
export const limits = kept<Limits>("limits", { wait_s: 60, service_level: 0.8, abandoned: 0.05 });
/** The phone that a supervisor joins calls by. */
export const phone = kept<string>("phone", "");

effect(() => {
  document.documentElement.lang = language.value;
});
effect(() => {
  const root = document.documentElement;
  if (theme.value === "system") delete root.dataset.theme;
  else root.dataset.theme = theme.value;
});
