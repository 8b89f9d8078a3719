// The shell: who is signed in, where one is, and whether the numbers are fresh.

import type { ComponentChildren } from "preact";
import { hears, may, me, signOut } from "./api";
import { clock } from "./format";
import { t, type Word } from "./i18n";
import { freshness, heardAt } from "./live";
import { Told } from "./parts/basics";
import { link, path } from "./router";
import { Accounts, Audit } from "./pages/accounts";
import { Agents } from "./pages/agents";
import { Callbacks } from "./pages/callbacks";
import { Configuration } from "./pages/configuration";
import { Desk } from "./pages/desk";
import { Entry } from "./pages/entry";
import { Interactions } from "./pages/interactions";
import { Own } from "./pages/own";
import { Queue } from "./pages/queue";
import { Reports } from "./pages/reports";
import { Trunks } from "./pages/trunks";
import { Wallboard } from "./pages/wallboard";

type Page = { at: string; word: Word; scope: string; show: (rest: string[]) => ComponentChildren };

const PAGES: Page[] = [
  { at: "desk", word: "desk", scope: "agents:self", show: () => <Desk /> },
  { at: "", word: "wallboard", scope: "queues:read", show: () => <Wallboard /> },
  { at: "agents", word: "agents", scope: "agents:read", show: () => <Agents /> },
  {
    at: "interactions",
    word: "interactions",
    scope: "interactions:read",
    show: () => (
      <>
        <h1>{t("interactions")}</h1>
        <Interactions />
      </>
    ),
  },
  { at: "callbacks", word: "callbacks", scope: "callbacks:read", show: () => <Callbacks /> },
  { at: "reports", word: "reports", scope: "reports:read", show: () => <Reports /> },
  { at: "trunks", word: "trunks", scope: "trunks:read", show: () => <Trunks /> },
  {
    at: "configuration",
    word: "configuration",
    scope: "config:read",
    show: () => <Configuration />,
  },
  { at: "accounts", word: "accounts", scope: "accounts:read", show: () => <Accounts /> },
  { at: "audit", word: "audit", scope: "audit:read", show: () => <Audit /> },
];

/** Pages without a place in the menu. */
const OTHERS: Page[] = [
  {
    at: "queues",
    word: "queue",
    scope: "queues:read",
    show: ([name]) => <Queue name={name ?? ""} />,
  },
  { at: "me", word: "me", scope: "", show: () => <Own /> },
];

const seen = (page: Page): boolean =>
  page.at === "desk" ? Boolean(me.value?.account.agent) && may(page.scope) : may(page.scope);

export function App() {
  if (me.value === undefined) return <p class="quiet entry">{t("loading")}</p>;
  return (
    <>
      {me.value === null ? <Entry /> : <Inside />}
      <Told />
    </>
  );
}

function Inside() {
  const [at = "", ...rest] = path.value;
  const page = [...PAGES, ...OTHERS].find((each) => each.at === at);
  return (
    <div class={freshness.value === "stale" ? "inside old" : "inside"}>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.getElementById("main")?.focus();
      }}>
        {page ? t(page.word) : ""}
      </a>
      <header class="top">
        <strong>cicswitch</strong>
        <Freshness />
        <span class="grow" />
        <a href={link("me")}>{me.value?.account.display_name || me.value?.account.name}</a>
        <button class="plain" onClick={() => void signOut()}>
          {t("sign_out")}
        </button>
      </header>
      <nav class="menu" aria-label="cicswitch">
        <ul>
          {PAGES.filter(seen).map((each) => (
            <li key={each.at}>
              <a
                href={link(...(each.at ? [each.at] : []))}
                aria-current={
                  each.at === at || (each.at === "" && at === "queues") ? "page" : undefined
                }
              >
                {t(each.word)}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main id="main" tabIndex={-1}>
        {freshness.value === "stale" && (
          <p class="note bad" role="alert">
            {t("stale_text")}
          </p>
        )}
        {!page ? (
          <p>{t("unknown_page")}</p>
        ) : page.scope && !may(page.scope) ? (
          <p>{t("not_allowed")}</p>
        ) : (
          page.show(rest)
        )}
      </main>
    </div>
  );
}

function Freshness() {
  if (!hears()) return <span class="fresh">{t("off", { seconds: 3 })}</span>;
  if (freshness.value === "stale")
    return (
      <span class="fresh bad">{t("stale", { time: clock(heardAt.value / 1000) })}</span>
    );
  return freshness.value === "live" ? <span class="fresh good">{t("live")}</span> : null;
}
