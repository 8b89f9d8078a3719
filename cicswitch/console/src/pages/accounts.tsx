// Accounts and the audit log, for administrators.

import { useState } from "preact/hooks";
import { ask, get, list, may, me, post } from "../api";
import { moment } from "../format";
import { t, type Word } from "../i18n";
import { Choice, Dialog, Field, Form, Table } from "../parts/basics";
import { useRead } from "../parts/data";
import type { Account, AgentView, AuditEntry, Role } from "../types";
import { Sessions } from "./own";
import { Tokens } from "./tokens";

const ROLES: Role[] = ["agent", "supervisor", "quality", "planner", "administrator"];
const roleWord = (role: Role): string => t(`role_${role}` as Word);

export function Accounts() {
  const { value, again } = useRead(() => list<Account>("/accounts"));
  const { value: agents } = useRead(() => list<AgentView>("/agents", 20_000));
  const [chosen, setChosen] = useState<[what: string, of: Account | null] | null>(null);
  const [what, of] = chosen ?? ["", null];
  const close = () => setChosen(null);
  const may_write = may("accounts:write");
  return (
    <>
      <header class="page">
        <h1>{t("accounts")}</h1>
        {may_write && (
          <button class="primary" onClick={() => setChosen(["new", null])}>
            {t("new_account")}
          </button>
        )}
      </header>
      <Table
        label={t("accounts")}
        items={value ?? []}
        id={(each) => each.name}
        empty={value ? t("nothing") : t("loading")}
        columns={[
          { head: t("name"), by: (each) => each.name, cell: (each) => each.name },
          { head: t("display_name"), by: (each) => each.display_name, cell: (each) => each.display_name },
          { head: t("role"), by: (each) => each.role, cell: (each) => roleWord(each.role ?? "agent") },
          { head: t("agent"), by: (each) => each.agent, cell: (each) => each.agent },
          {
            head: t("state"),
            cell: (each) => (each.disabled ? <span class="badge">{t("disabled")}</span> : ""),
          },
          { head: t("created"), by: (each) => each.created_at, cell: (each) => moment(each.created_at) },
          {
            head: t("actions"),
            cell: (each) => (
              <div class="actions">
                {may_write && (
                  <>
                    <button onClick={() => setChosen(["change", each])}>{t("change")}</button>
                    <button onClick={() => setChosen(["password", each])}>{t("set_password")}</button>
                  </>
                )}
                <button onClick={() => setChosen(["more", each])}>{t("more")}</button>
                {may_write && each.name !== me.value?.account.name && (
                  <button class="danger" onClick={() => setChosen(["remove", each])}>
                    {t("remove")}
                  </button>
                )}
              </div>
            ),
          },
        ]}
      />
      {what === "new" && (
        <Form
          title={t("new_account")}
          action={t("add")}
          onClose={close}
          onDone={async (data) => {
            await post("/accounts", {
              name: data.get("name"),
              password: data.get("password"),
              ...said(data),
            });
            await again();
          }}
        >
          <Field label={t("name")} name="name" required autoCapitalize="none" autoComplete="off" />
          <NewPassword />
          <About agents={agents ?? []} />
        </Form>
      )}
      {of && what === "change" && (
        <Change
          of={of}
          agents={agents ?? []}
          onClose={close}
          onDone={again}
        />
      )}
      {of && what === "password" && (
        <Form
          title={`${t("set_password")}: ${of.name}`}
          action={t("save")}
          onClose={close}
          onDone={(data) => post(`/accounts/${of.name}/password`, { password: data.get("password") })}
        >
          <NewPassword />
        </Form>
      )}
      {of && what === "more" && (
        <Dialog wide title={of.name} onClose={close}>
          <Sessions path={`/accounts/${of.name}/sessions`} />
          <Tokens path={`/accounts/${of.name}/tokens`} scopes={me.value?.scopes ?? []} />
        </Dialog>
      )}
      {of && what === "remove" && (
        <Form
          title={t("remove")}
          action={t("remove")}
          danger
          onClose={close}
          onDone={async () => {
            await ask("DELETE", `/accounts/${of.name}`);
            await again();
          }}
        >
          <p>{t("remove_sure", { name: of.name })}</p>
        </Form>
      )}
    </>
  );
}

const said = (data: FormData) => ({
  display_name: String(data.get("display_name") ?? ""),
  role: data.get("role"),
  agent: String(data.get("agent") ?? ""),
});

function Change(props: {
  of: Account;
  agents: AgentView[];
  onClose: () => void;
  onDone: () => Promise<void>;
}) {
  // Read anew, so that what somebody else has changed meanwhile is not overwritten.
  const path = `/accounts/${props.of.name}`;
  const { value } = useRead(() => ask<Account>("GET", path), [path]);
  if (!value) return null;
  return (
    <Form
      title={`${t("change")}: ${props.of.name}`}
      action={t("save")}
      onClose={props.onClose}
      onDone={async (data) => {
        const body = { ...said(data), disabled: data.get("disabled") === "on" };
        await ask("PATCH", path, body, value.tag);
        await props.onDone();
      }}
    >
      <About agents={props.agents} of={value.value} />
      <label class="check">
        <input type="checkbox" name="disabled" defaultChecked={value.value.disabled} />{" "}
        {t("disabled")} <small class="quiet">{t("disabled_hint")}</small>
      </label>
    </Form>
  );
}

function About(props: { agents: AgentView[]; of?: Account }) {
  return (
    <>
      <Field
        label={t("display_name")}
        name="display_name"
        maxLength={200}
        defaultValue={props.of?.display_name ?? ""}
      />
      <Choice
        label={t("role")}
        name="role"
        chosen={props.of?.role ?? "agent"}
        options={ROLES.map((role) => [role, roleWord(role)])}
      />
      <Choice
        label={t("of_agent")}
        name="agent"
        chosen={props.of?.agent ?? ""}
        options={[
          ["", t("none")],
          ...props.agents.map((agent): [string, string] => [agent.agent, agent.name]),
        ]}
      />
    </>
  );
}

const NewPassword = () => (
  <Field
    label={t("password")}
    name="password"
    type="password"
    required
    minLength={10}
    hint={t("password_rule")}
    autoComplete="new-password"
  />
);

export function Audit() {
  const [entries, setEntries] = useState<AuditEntry[]>([]);
  const [next, setNext] = useState<string | null>("");
  const [who, setWho] = useState("");
  const read = async (from: string, of: string) => {
    const query = new URLSearchParams({ limit: "200", order: "newest" });
    if (from) query.set("cursor", from);
    if (of) query.set("who", of);
    const page = await get<{ items: AuditEntry[]; next?: string | null }>(`/audit?${query}`);
    setEntries((before) => (from ? [...before, ...page.items] : page.items));
    setNext(page.next ?? null);
  };
  useRead(() => read("", who), [who]);
  const shown = (value: unknown) => (value === null || value === undefined ? "" : JSON.stringify(value));
  return (
    <>
      <h1>{t("audit")}</h1>
      <Field label={t("who")} type="search" value={who} onChange={(event) => setWho(event.currentTarget.value)} />
      <Table
        label={t("audit")}
        items={entries}
        id={(each) => String(each.id)}
        empty={t("nothing")}
        columns={[
          { head: t("at"), by: (each) => each.at, cell: (each) => moment(each.at) },
          { head: t("who"), by: (each) => each.who, cell: (each) => each.who },
          { head: t("via"), cell: (each) => each.via },
          { head: t("address"), cell: (each) => each.address },
          { head: t("action"), by: (each) => each.action, cell: (each) => each.action },
          { head: t("target"), by: (each) => each.target, cell: (each) => each.target },
          { head: t("before"), cell: (each) => <code>{shown(each.before)}</code> },
          { head: t("after"), cell: (each) => <code>{shown(each.after)}</code> },
        ]}
      />
      {next && <button onClick={() => void read(next, who)}>{t("more")}</button>}
    </>
  );
}
