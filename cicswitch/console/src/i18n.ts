// Words in the language of the screen.

import { language } from "./settings";
import { en, type Word } from "./words/en";
import { ko } from "./words/ko";

export type { Word };

/** A text; `{name}` in it becomes the value of that name. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  const text: string = (language.value === "ko" ? ko : en)[word];
  return text.replace(/{(\w+)}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A state of an agent or an interaction; the switch's own word if there is none of ours. */
function coded(prefix: string, code: string): string {
  const key = `${prefix}_${code.replaceAll(" ", "_")}`;
  return key in en ? t(key as Word) : code;
}

export const stateWord = (state: string): string => coded("state", state);
export const mediumWord = (medium: string): string => coded("medium", medium);
/** Why an offer failed, or the label of a pause. */
export const causeWord = (cause: string): string => coded("cause", cause);
