// A customer as a person: who is found, who an address is given to, what he called and wrote for.

import { useEffect, useRef, useState } from "preact/hooks";
import { ask, get, may, post } from "../api";
import { moment, span } from "../format";
import { mediumWord, t, type Word } from "../i18n";
import type { ContactView, CustomerView, InteractionView } from "../types";
import { attempt, Dialog, Table, tell } from "./basics";
import { useRead } from "./data";

const FOUND = 8;
const SOON_MS = 200;
const FEW = 5;
const MANY = 100;

type Page<T> = { items: T[]; next?: string | null };

export const pathOf = (customer: string): string => `/customers/${encodeURIComponent(customer)}`;
export const kindWord = (kind: string): string => t(`kind_${kind}` as Word);

/** An address as people read it: `line/U1` is `U1 (line)`. */
export function addressText(kind: string, value: string): string {
  const cut = value.indexOf("/");
  return kind === "chat" && cut > 0 ? `${value.slice(cut + 1)} (${value.slice(0, cut)})` : value;
}

/** Who is found by a text, while it is written. */
export function useFound(text: string) {
  const [found, setFound] = useState<CustomerView[] | null>(null);
  const turn = useRef(0);
  useEffect(() => {
    const mine = ++turn.current;
    const timer = window.setTimeout(
      () =>
        attempt(async () => {
          const query = `q=${encodeURIComponent(text.trim())}&limit=${FOUND}`;
          const page = await get<Page<CustomerView>>(`/customers?${query}`);
          if (mine === turn.current) setFound(page.items);
        }),
      SOON_MS,
    );
    return () => window.clearTimeout(timer);
  }, [text]);
  return found;
}

/** Search somebody, and choose him. */
export function Finder(props: {
  first: string;
  action: string;
  without?: string;
  onChosen: (of: CustomerView) => unknown;
}) {
  const [text, setText] = useState(props.first);
  const found = useFound(text);
  const shown = (found ?? []).filter((each) => each.customer !== props.without);
  return (
    <>
      <label class="field">
        <span>{t("search")}</span>
        <input
          type="search"
          value={text}
          maxLength={100}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <p class="quiet" role="status">
        {!found ? t("loading") : shown.length ? "" : t("nobody_found")}
      </p>
      <ul class="found">
        {shown.map((each) => (
          <li key={each.customer}>
            <span>
              <strong>{each.name || each.customer}</strong>{" "}
              <span class="quiet">
                {each.addresses.map((own) => addressText(own.kind, own.value)).join(", ")}
              </span>
            </span>
            <button
              aria-label={`${props.action} ${each.name || each.customer}`}
              onClick={() => props.onChosen(each)}
            >
              {props.action}
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

/** Give somebody the address of who is in hand: it opens, and one click more chooses him. */
export function Link(props: { of: InteractionView; onLinked: (customer: string) => void }) {
  const { of } = props;
  const [open, setOpen] = useState(false);
  const [name, setName] = useState(of.caller_name);
  const cut = (of.address ?? "").indexOf(":");
  if (cut < 0 || !(may("customers:link") || may("customers:write"))) return null;
  const body = { kind: of.address?.slice(0, cut), value: of.address?.slice(cut + 1) };
  const done = async (work: () => Promise<{ value: CustomerView }>) => {
    await attempt(async () => {
      const { value } = await work();
      tell(t("linked", { name: value.name || value.customer }));
      setOpen(false);
      props.onLinked(value.customer);
    });
  };
  return (
    <>
      <button onClick={() => setOpen(true)}>{t("link_customer")}</button>
      {open && (
        <Dialog title={t("link_customer")} onClose={() => setOpen(false)}>
          <p>{t("link_text", { address: addressText(body.kind ?? "", body.value ?? "") })}</p>
          <Finder
            first={of.caller_name}
            action={t("link")}
            onChosen={(each) => done(() => ask("POST", `${pathOf(each.customer)}/addresses`, body))}
          />
          <h3>{t("new_customer")}</h3>
          <form
            class="row"
            onSubmit={(event) => {
              event.preventDefault();
              void done(async () => ({
                value: await post<CustomerView>("/customers", { name: name.trim(), addresses: [body] }),
              }));
            }}
          >
            <label class="field">
              <span>{t("name")}</span>
              <input
                value={name}
                maxLength={200}
                onInput={(event) => setName(event.currentTarget.value)}
              />
            </label>
            <button class="primary">{t("add")}</button>
          </form>
        </Dialog>
      )}
    </>
  );
}

/** What is known of a person. */
export function About(props: { of: CustomerView }) {
  const { of } = props;
  return (
    <>
      {of.addresses.map((each) => (
        <>
          <dt>{kindWord(each.kind)}</dt>
          <dd>{addressText(each.kind, each.value)}</dd>
        </>
      ))}
      {of.language && (
        <>
          <dt>{t("language")}</dt>
          <dd>{of.language}</dd>
        </>
      )}
      {Object.entries(of.fields).map(([key, value]) => (
        <>
          <dt>{key}</dt>
          <dd>{value}</dd>
        </>
      ))}
    </>
  );
}

/** What he called and wrote for: by a person's key, or an address. */
export function History(props: { of: string; turn: string }) {
  const [most, setMost] = useState(FEW);
  const path = `${pathOf(props.of)}/history?limit=${most}`;
  const { value } = useRead(
    async () => (props.of ? await get<Page<ContactView>>(path) : { items: [] }),
    [path, props.turn],
  );
  return (
    <>
      <h3>{t("history")}</h3>
      <Table
        label={t("history")}
        items={value?.items ?? []}
        id={(each) => each.interaction}
        empty={value ? t("no_history") : t("loading")}
        columns={[
          { head: t("at"), cell: (each) => moment(each.started_at) },
          {
            head: t("medium"),
            cell: (each) => (
              <>
                <span class={`medium ${each.medium}`}>{mediumWord(each.medium)}</span>
                <div class="quiet">{each.caller.startsWith("visitor:") ? each.called : each.caller}</div>
              </>
            ),
          },
          { head: t("queue"), cell: (each) => each.queue },
          { head: t("agent"), cell: (each) => each.agent },
          { head: t("talk_time"), numeric: true, cell: (each) => span(each.talk_s) },
          { head: t("wrap_up_code"), cell: (each) => each.code || each.outcome },
          {
            head: t("note"),
            cell: (each) => (
              <>
                <span class="kept">{each.note}</span>
                {each.recorded && <span class="quiet"> ({t("recorded")})</span>}
              </>
            ),
          },
        ]}
      />
      {value?.next && most < MANY && <button onClick={() => setMost(MANY)}>{t("more")}</button>}
    </>
  );
}
