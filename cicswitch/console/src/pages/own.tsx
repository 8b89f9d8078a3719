// One's own account, and this screen.

import { ask, get, items, me } from "../api";
import { moment } from "../format";
import { t } from "../i18n";
import { attempt, Choice, Field, Table, tell } from "../parts/basics";
import { useRead } from "../parts/data";
import { type Language, language, type Theme, theme } from "../settings";
import type { Session } from "../types";
import { Tokens } from "./tokens";

/** Language and colours. */
export function Screen() {
  return (
    <div class="row">
      <Choice
        label={t("language")}
        options={[
          ["en", "English"],
          ["ko", "한국어"],
        ]}
        chosen={language.value}
        onChange={(event) => {
          language.value = event.currentTarget.value as Language;
        }}
      />
      <Choice
        label={t("theme")}
        options={[
          ["system", t("theme_system")],
          ["light", t("theme_light")],
          ["dark", t("theme_dark")],
        ]}
        chosen={theme.value}
        onChange={(event) => {
          theme.value = event.currentTarget.value as Theme;
        }}
      />
    </div>
  );
}

export function Own() {
  const account = me.value?.account;
  if (!account) return null;
  return (
    <>
      <h1>{t("me")}</h1>
      <p>{t("signed_in_as", { name: account.display_name || account.name })}</p>
      <section class="card">
        <Screen />
      </section>
      <Password />
      <Tokens path="/me/tokens" scopes={me.value?.scopes ?? []} />
      <Sessions path="/me/sessions" />
    </>
  );
}

function Password() {
  return (
    <section class="card">
      <h2>{t("password")}</h2>
      <form
        class="row"
        onSubmit={async (event) => {
          event.preventDefault();
          const form = event.currentTarget;
          const data = new FormData(form);
          if (data.get("new") !== data.get("again")) {
            tell(t("passwords_differ"));
            return;
          }
          const body = { current: data.get("current"), new: data.get("new") };
          if (await attempt(() => ask("POST", "/me/password", body), t("password_changed")))
            form.reset();
        }}
      >
        <Field
          label={t("password_now")}
          name="current"
          type="password"
          required
          autoComplete="current-password"
        />
        <Field
          label={t("password_new")}
          name="new"
          type="password"
          required
          minLength={10}
          hint={t("password_rule")}
          autoComplete="new-password"
        />
        <Field
          label={t("password_again")}
          name="again"
          type="password"
          required
          autoComplete="new-password"
        />
        <button>{t("change")}</button>
      </form>
    </section>
  );
}

export function Sessions(props: { path: string }) {
  const { value, again } = useRead(() => items<Session>(props.path), [props.path]);
  return (
    <section class="card">
      <h2>{t("sessions")}</h2>
      <Table
        label={t("sessions")}
        items={value ?? []}
        id={(session) => session.id}
        empty={value ? t("none") : t("loading")}
        columns={[
          { head: t("created"), cell: (each) => moment(each.created_at) },
          { head: t("seen"), cell: (each) => moment(each.seen_at) },
          { head: t("address"), cell: (each) => each.address },
          { head: t("client"), cell: (each) => each.client },
          {
            head: t("actions"),
            cell: (each) => (
              <button
                onClick={async () => {
                  const ended = await attempt(() => ask("DELETE", `${props.path}/${each.id}`));
                  if (ended) await attempt(() => get("/me"));
                  if (ended && me.value) await again();
                }}
              >
                {t("end")}
              </button>
            ),
          },
        ]}
      />
    </section>
  );
}
