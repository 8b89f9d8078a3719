// Customers: who is known, what of him, and who is made one with whom.

import { useId, useState } from "preact/hooks";
import { ask, get, post } from "../api";
import { moment } from "../format";
import { t } from "../i18n";
import { attempt, Choice, Dialog, Field, Form, Table, tell } from "../parts/basics";
import { useRead } from "../parts/data";
import { addressText, Finder, History, kindWord, pathOf } from "../parts/person";
import { link } from "../router";
import type { CustomerView } from "../types";

const KINDS = ["number", "email", "chat", "id"];
const AT_ONCE = 50;

type Page = { items: CustomerView[]; next?: string | null };

export function Customers(props: { of: string }) {
  return props.of ? <One customer={props.of} /> : <All />;
}

function All() {
  const [text, setText] = useState("");
  const [adding, setAdding] = useState(false);
  const query = `/customers?limit=${AT_ONCE}&q=${encodeURIComponent(text.trim())}`;
  const { value, set } = useRead(() => get<Page>(query), [query]);
  const more = async () => {
    const next = await get<Page>(`${query}&cursor=${encodeURIComponent(value?.next ?? "")}`);
    set((before) => ({ items: [...(before?.items ?? []), ...next.items], next: next.next }));
  };
  return (
    <>
      <header class="page">
        <h1>{t("customers")}</h1>
        <button class="primary" onClick={() => setAdding(true)}>
          {t("new_customer")}
        </button>
      </header>
      <Field
        label={t("search")}
        type="search"
        maxLength={100}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <Table
        label={t("customers")}
        items={value?.items ?? []}
        id={(each) => each.customer}
        empty={value ? t("nobody_found") : t("loading")}
        columns={[
          {
            head: t("name"),
            cell: (each) => <a href={link("customers", each.customer)}>{each.name || each.customer}</a>,
          },
          {
            head: t("addresses"),
            cell: (each) =>
              each.addresses.map((own) => (
                <div key={own.kind + own.value}>
                  <span class="quiet">{kindWord(own.kind)}</span> {addressText(own.kind, own.value)}
                </div>
              )),
          },
          { head: t("segment"), cell: (each) => each.segment },
          { head: t("language"), cell: (each) => each.language },
        ]}
      />
      {value?.next && <button onClick={() => attempt(more)}>{t("more")}</button>}
      {adding && (
        <Form
          title={t("new_customer")}
          action={t("add")}
          onClose={() => setAdding(false)}
          onDone={async (data) => {
            const kind = String(data.get("kind"));
            const made = String(data.get("value") ?? "").trim();
            const addresses = made ? [{ kind, value: made }] : [];
            const { customer } = await post<CustomerView>("/customers", { ...said(data), addresses });
            location.hash = link("customers", customer);
          }}
        >
          <Basics />
          <Address />
        </Form>
      )}
    </>
  );
}

function One(props: { customer: string }) {
  const path = pathOf(props.customer);
  const { value, again, set } = useRead(() => ask<CustomerView>("GET", path), [path]);
  const [what, setWhat] = useState("");
  if (!value) return <p class="quiet">{t("loading")}</p>;
  const { value: of, tag } = value;
  const close = () => setWhat("");
  const name = of.name || of.customer;
  return (
    <>
      <p>
        <a href={link("customers")}>{t("customers")}</a>
      </p>
      <header class="page">
        <h1>{name}</h1>
        <div class="row">
          <button onClick={() => setWhat("merge")}>{t("merge_customers")}</button>
          <button class="danger" onClick={() => setWhat("remove")}>
            {t("remove")}
          </button>
        </div>
      </header>
      <section class="card" aria-label={t("customer")}>
        <form
          key={of.updated_at}
          onSubmit={async (event) => {
            event.preventDefault();
            const data = new FormData(event.currentTarget);
            await attempt(async () => {
              set(await ask<CustomerView>("PATCH", path, said(data), tag));
            }, t("customer_saved"));
          }}
        >
          <Basics of={of} />
          <button class="primary">{t("save")}</button>
        </form>
      </section>
      <section class="card">
        <header class="page">
          <h2>{t("addresses")}</h2>
          <button onClick={() => setWhat("address")}>{t("add_address")}</button>
        </header>
        <Table
          label={t("addresses")}
          items={of.addresses}
          id={(each) => each.kind + each.value}
          empty={t("nothing")}
          columns={[
            { head: t("kind"), cell: (each) => kindWord(each.kind) },
            { head: t("address"), cell: (each) => addressText(each.kind, each.value) },
            {
              head: t("actions"),
              cell: (each) => (
                <button
                  aria-label={`${t("remove")} ${addressText(each.kind, each.value)}`}
                  onClick={() =>
                    attempt(async () => {
                      const query = new URLSearchParams({ kind: each.kind, value: each.value });
                      set(await ask<CustomerView>("DELETE", `${path}/addresses?${query}`));
                    })
                  }
                >
                  {t("remove")}
                </button>
              ),
            },
          ]}
        />
        <p class="quiet">
          {t("created")}: {moment(of.created_at)}
        </p>
      </section>
      <section class="card">
        <History of={of.customer} turn={of.addresses.map((each) => each.kind + each.value).join()} />
      </section>
      {what === "address" && (
        <Form
          title={t("add_address")}
          action={t("add")}
          onClose={close}
          onDone={async (data) => {
            const body = { kind: data.get("kind"), value: String(data.get("value")) };
            set(await ask<CustomerView>("POST", `${path}/addresses`, body));
          }}
        >
          <Address required />
        </Form>
      )}
      {what === "merge" && (
        <Dialog title={t("merge_customers")} onClose={close}>
          <p>{t("merge_customers_text", { name })}</p>
          <Finder
            first={of.name}
            action={t("merge")}
            without={of.customer}
            onChosen={async (each) => {
              const body = { customer: each.customer };
              const done = await attempt(async () => {
                set(await ask<CustomerView>("POST", `${path}/merge`, body, tag));
              });
              if (done) close();
              else await again();
            }}
          />
        </Dialog>
      )}
      {what === "remove" && (
        <Form
          title={t("remove")}
          action={t("remove")}
          danger
          onClose={close}
          onDone={async () => {
            await ask("DELETE", path, undefined, tag);
            tell(`${t("remove")}: ${name}`);
            location.hash = link("customers");
          }}
        >
          <p>{t("remove_customer_text", { name })}</p>
        </Form>
      )}
    </>
  );
}

/** Name, language, segment and own fields. */
function Basics(props: { of?: CustomerView }) {
  const { of } = props;
  const id = useId();
  const fields = Object.entries(of?.fields ?? {}).map(([key, value]) => `${key} = ${value}`);
  return (
    <>
      <Field label={t("name")} name="name" maxLength={200} defaultValue={of?.name} />
      <Field label={t("language")} name="language" maxLength={16} defaultValue={of?.language} />
      <Field label={t("segment")} name="segment" maxLength={64} defaultValue={of?.segment} />
      <div class="field">
        <label for={id}>{t("own_fields")}</label>
        <textarea
          id={id}
          name="fields"
          rows={Math.max(2, fields.length)}
          aria-describedby={`${id}-hint`}
          defaultValue={fields.join("\n")}
        />
        <small id={`${id}-hint`} class="quiet">
          {t("own_fields_hint")}
        </small>
      </div>
    </>
  );
}

function Address(props: { required?: boolean }) {
  return (
    <>
      <Choice
        label={t("kind")}
        name="kind"
        options={KINDS.map((each): [string, string] => [each, kindWord(each)])}
      />
      <Field
        label={t("address")}
        name="value"
        maxLength={320}
        required={props.required}
        hint={t("kind_chat_hint")}
      />
    </>
  );
}

function said(data: FormData) {
  const text = (key: string) => String(data.get(key) ?? "").trim();
  const lines = text("fields").split("\n").filter((line) => line.trim());
  const fields = Object.fromEntries(
    lines.map((line) => {
      const cut = line.indexOf("=");
      return cut < 0 ? [line.trim(), ""] : [line.slice(0, cut).trim(), line.slice(cut + 1).trim()];
    }),
  );
  return { name: text("name"), language: text("language"), segment: text("segment"), fields };
}
