// The shell: who is signed in, where one is, and whether the numbers are fresh.

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { hears, may, me, signOut } from "./api";
import { clock } from "./format";
import { t, type Word } from "./i18n";
import { freshness, heardAt, listen } from "./live";
import { AlertBar } from "./parts/alerts";
import { Told } from "./parts/basics";
import { ChatButton, ChatDrawer } from "./parts/chat";
import { Waiting } from "./parts/writing";
import { Softphone } from "./parts/softphone";
import { heard } from "./parts/talk";
import { link, path } from "./router";
import { follow } from "./writing";
import { Accounts, Audit } from "./pages/accounts";
import { Agents } from "./pages/agents";
import { Alerts } from "./pages/alerts";
import { Callbacks } from "./pages/callbacks";
import { Configuration } from "./pages/configuration";
import { Customers } from "./pages/customers";
import { Desk } from "./pages/desk";
import { Entry } from "./pages/entry";
import { FaxList } from "./pages/faxes";
import { Interactions } from "./pages/interactions";
import { Own } from "./pages/own";
import { Prompts } from "./pages/prompts";
import { Queue } from "./pages/queue";
import { Recordings } from "./pages/recordings";
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
  { at: "alerts", word: "alerts", scope: "alerts:read", show: () => <Alerts /> },
  { at: "callbacks", word: "callbacks", scope: "callbacks:read", show: () => <Callbacks /> },
  {
    at: "customers",
    word: "customers",
    scope: "customers:write",
    show: ([key]) => <Customers key={key} of={key ?? ""} />,
  },
  { at: "faxes", word: "faxes", scope: "interactions:read", show: () => <FaxList /> },
  {
    at: "recordings",
    word: "recordings",
    scope: "recordings:read recordings:self",
    show: () => <Recordings />,
  },
  { at: "reports", word: "reports", scope: "reports:read", show: () => <Reports /> },
  { at: "prompts", word: "prompts", scope: "prompts:read", show: () => <Prompts /> },
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

/** Any of a page's scopes is enough; one for one's own agent takes an agent. */
const seen = (page: Page): boolean =>
  page.scope
    .split(" ")
    .some((scope) => may(scope) && (!scope.endsWith(":self") || Boolean(me.value?.account.agent)));

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
  useEffect(() => (hears() ? listen(heard, () => undefined) : undefined), []);
  const agent = may("interactions:self") && hears() ? (me.value?.account.agent ?? "") : "";
  useEffect(() => (agent ? follow(agent) : undefined), [agent]);
  useEffect(() => {
    const current = document.querySelector(".menu [aria-current]");
    current?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [at]);
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
        {may("chat:self") && <ChatButton />}
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
                {each.at === "desk" && <Waiting />}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main id="main" tabIndex={-1}>
        {may("alerts:read") && <AlertBar />}
        {me.value?.account.agent && may("agents:self") && <Softphone />}
        {freshness.value === "stale" && (
          <p class="note bad" role="alert">
            {t("stale_text")}
          </p>
        )}
        {!page ? (
          <p>{t("unknown_page")}</p>
        ) : page.scope && !page.scope.split(" ").some(may) ? (
          <p>{t("not_allowed")}</p>
        ) : (
          page.show(rest)
        )}
      </main>
      {may("chat:self") && <ChatDrawer />}
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
