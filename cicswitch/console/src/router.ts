// Where one is: the part of the address behind #, so that every page can be linked to.

import { signal } from "@preact/signals";

export const path = signal<string[]>(parse());

function parse(): string[] {
  return location.hash
    .replace(/^#\/?/, "")
    .split("/")
    .filter(Boolean)
    .map(decodeURIComponent);
}

export const link = (...parts: string[]): string => `#/${parts.map(encodeURIComponent).join("/")}`;

window.addEventListener("hashchange", () => {
  path.value = parse();
  document.getElementById("main")?.focus();
});
