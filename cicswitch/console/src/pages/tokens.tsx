// API tokens, of oneself or of an account.

import { useState } from "preact/hooks";
import { ask, items, post } from "../api";
import { moment } from "../format";
import { t } from "../i18n";
import { attempt, Dialog, Field, Form, Table } from "../parts/basics";
import { useRead } from "../parts/data";
import type { Token, TokenMade } from "../types";

export function Tokens(props: { path: string; scopes: string[] }) {
  const { value, again } = useRead(() => items<Token>(props.path), [props.path]);
  const [making, setMaking] = useState(false);
  const [secret, setSecret] = useState("");
  return (
    <section class="card">
      <header>
        <h2>{t("tokens")}</h2>
        <button onClick={() => setMaking(true)}>{t("new_token")}</button>
      </header>
      <Table
        label={t("tokens")}
        items={value ?? []}
        id={(token) => token.id}
        empty={value ? t("none") : t("loading")}
        columns={[
          { head: t("label"), cell: (each) => each.label, by: (each) => each.label },
          { head: t("scopes"), cell: (each) => each.scopes.join(" ") },
          { head: t("created"), cell: (each) => moment(each.created_at) },
          { head: t("used"), cell: (each) => moment(each.used_at) },
          {
            head: t("expires"),
            cell: (each) => (each.expires_at ? moment(each.expires_at) : t("never")),
          },
          {
            head: t("actions"),
            cell: (each) => (
              <button
                onClick={async () => {
                  await attempt(() => ask("DELETE", `${props.path}/${each.id}`));
                  await again();
                }}
              >
                {t("revoke")}
              </button>
            ),
          },
        ]}
      />
      {making && (
        <Form
          title={t("new_token")}
          action={t("add")}
          onClose={() => setMaking(false)}
          onDone={async (data) => {
            const until = String(data.get("until") ?? "");
            const made = await post<TokenMade>(props.path, {
              label: data.get("label"),
              scopes: data.getAll("scope"),
              expires_at: until ? new Date(`${until}T23:59:59`).getTime() / 1000 : null,
            });
            setSecret(made.secret);
            await again();
          }}
        >
          <Field label={t("label")} name="label" required maxLength={100} />
          <Field label={t("expires")} name="until" type="date" hint={t("never")} />
          <fieldset>
            <legend>{t("scopes")}</legend>
            {props.scopes.map((scope) => (
              <label key={scope} class="check">
                <input type="checkbox" name="scope" value={scope} /> <code>{scope}</code>
              </label>
            ))}
          </fieldset>
        </Form>
      )}
      {secret && (
        <Dialog title={t("new_token")} onClose={() => setSecret("")}>
          <p>{t("token_once")}</p>
          <pre class="secret">{secret}</pre>
        </Dialog>
      )}
    </section>
  );
}
