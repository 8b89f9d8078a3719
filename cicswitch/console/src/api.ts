// What the console asks of the switch. Everything goes through the public API.

import { signal } from "@preact/signals";
import { t } from "./i18n";
import type { Begun, FieldError, Me, SignedIn } from "./types";

/** Who is signed in; null: nobody; undefined: not known yet. */
export const me = signal<Me | null | undefined>(undefined);

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly errors: FieldError[] = [],
  ) {
    super(message);
  }
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Answer<T> = { value: T; tag: string };

/** One request. Raises `ApiError`; 401 means that nobody is signed in any more. With `key` it is
 * done once, however often it is sent. */
export async function ask<T>(
  method: Method,
  path: string,
  body?: unknown,
  tag = "",
  key = "",
): Promise<Answer<T>> {
  const headers: Record<string, string> = {
    "Accept-Language": document.documentElement.lang,
  };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && me.value) headers["X-CSRF-Token"] = me.value.csrf ?? "";
  if (tag) headers["If-Match"] = tag;
  if (key) headers["Idempotency-Key"] = key;
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw new ApiError(0, "");
  }
  if (!response.ok) {
    if (response.status === 401 && me.value) me.value = null;
    const told = await response.json().catch(() => ({}));
    throw new ApiError(response.status, told.detail || told.title || "", told.errors ?? []);
  }
  const value = response.status === 204 ? undefined : await response.json();
  return { value: value as T, tag: response.headers.get("ETag") ?? "" };
}

/** Send a file as it is. Raises `ApiError`. */
export async function upload<T>(path: string, file: Blob): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method: "POST",
      headers: {
        "Accept-Language": document.documentElement.lang,
        "Content-Type": "application/octet-stream",
        "X-CSRF-Token": me.value?.csrf ?? "",
      },
      body: file,
      credentials: "same-origin",
    });
  } catch {
    throw new ApiError(0, "");
  }
  const told = await response.json().catch(() => ({}));
  if (response.ok) return told as T;
  throw new ApiError(response.status, told.detail || told.title || "", told.errors ?? []);
}

export const get = async <T>(path: string): Promise<T> => (await ask<T>("GET", path)).value;
export const post = async <T>(path: string, body?: unknown): Promise<T> =>
  (await ask<T>("POST", path, body)).value;

/** All pages of a list, up to so many items. */
export async function list<T>(path: string, most = 2000): Promise<T[]> {
  const items: T[] = [];
  const joint = path.includes("?") ? "&" : "?";
  let cursor = "";
  do {
    const from = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    const page = await get<{ items: T[]; next?: string | null }>(
      `${path}${joint}limit=500${from}`,
    );
    items.push(...page.items);
    cursor = page.next ?? "";
  } while (cursor && items.length < most);
  return items;
}

/** A list that comes in one piece. */
export const items = async <T>(path: string): Promise<T[]> =>
  (await get<{ items: T[] }>(path)).items;

export const may = (scope: string): boolean => me.value?.scopes.includes(scope) ?? false;

/** Whether events come to this screen: all of them, or those of one's own agent. */
export const hears = (): boolean => may("events:read") || may("events:self");

/** Find out who is signed in. */
export async function whoAmI(): Promise<void> {
  try {
    me.value = await get<Me>("/me");
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) me.value = null;
    else throw error;
  }
}

export async function signIn(name: string, password: string): Promise<void> {
  await post<SignedIn>("/session", { name, password });
  await whoAmI();
}

const BEGUN = "cicswitch.oidc";

/** Go to an OpenID provider's page. It sends the browser back here. */
export async function goTo(provider: string): Promise<void> {
  const { url, proof } = await post<Begun>(`/oidc/${encodeURIComponent(provider)}`);
  sessionStorage.setItem(BEGUN, JSON.stringify({ provider, proof }));
  location.assign(url);
}

/** Sign in with what the browser is back with; what is wrong with it, or nothing. */
export async function comeBack(): Promise<string> {
  const given = new URLSearchParams(location.search);
  const kept = sessionStorage.getItem(BEGUN);
  const [state, code, error] = ["state", "code", "error"].map((key) => given.get(key));
  if (!state || !(code || error)) return "";
  sessionStorage.removeItem(BEGUN);
  history.replaceState(null, "", location.pathname + location.hash);
  if (error) return `${error} ${given.get("error_description") ?? ""}`.trim().slice(0, 300);
  if (!kept) return t("begun_elsewhere");
  const { provider, proof } = JSON.parse(kept) as { provider: string; proof: string };
  await post<SignedIn>(`/oidc/${encodeURIComponent(provider)}/session`, { state, code, proof });
  await whoAmI();
  return "";
}

export async function signOut(): Promise<void> {
  await ask("DELETE", "/session").catch(() => undefined);
  me.value = null;
}
