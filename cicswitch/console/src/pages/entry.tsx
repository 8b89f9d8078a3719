// Signing in, and the first account.

import { useEffect, useState } from "preact/hooks";
import { ApiError, ask, comeBack, goTo, items, signIn } from "../api";
import { t } from "../i18n";
import { Field, attempt } from "../parts/basics";
import type { Provider } from "../types";
import { Screen } from "./own";

export function Entry() {
  const [first, setFirst] = useState(false);
  const [busy, setBusy] = useState(false);
  const [providers, setProviders] = useState<Provider[]>([]);

  useEffect(() => {
    void attempt(async () => setProviders(await items<Provider>("/oidc")));
    void attempt(async () => {
      const why = await comeBack();
      if (why) throw new ApiError(401, why);
    });
  }, []);

  const elsewhere = async (provider: string) => {
    setBusy(true);
    if (!(await attempt(() => goTo(provider)))) setBusy(false);
  };

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const [name, password] = [String(data.get("name")), String(data.get("password"))];
    setBusy(true);
    await attempt(async () => {
      if (first) await ask("POST", "/setup", { code: String(data.get("code")), name, password });
      await signIn(name, password);
    });
    setBusy(false);
  };

  return (
    <main id="main" class="entry" tabIndex={-1}>
      <form class="card" onSubmit={submit}>
        <h1>cicswitch</h1>
        {first && <p class="quiet">{t("set_up_text")}</p>}
        {first && (
          <Field label={t("set_up_code")} name="code" required autoComplete="off" autoFocus />
        )}
        <Field
          label={t("name")}
          name="name"
          required
          autoComplete="username"
          autoCapitalize="none"
          autoFocus={!first}
        />
        <Field
          label={t("password")}
          name="password"
          type="password"
          required
          minLength={first ? 10 : undefined}
          hint={first ? t("password_rule") : undefined}
          autoComplete={first ? "new-password" : "current-password"}
        />
        <button class="primary" disabled={busy}>
          {first ? t("set_up") : t("sign_in")}
        </button>
        <button type="button" class="plain" onClick={() => setFirst(!first)}>
          {first ? t("sign_in") : t("first_time")}
        </button>
        {!first && providers.length > 0 && (
          <div class="elsewhere" role="group" aria-label={t("sign_in_elsewhere")}>
            {providers.map((each) => (
              <button
                type="button"
                key={each.name}
                disabled={busy}
                onClick={() => elsewhere(each.name)}
              >
                {t("sign_in_with", { name: each.label })}
              </button>
            ))}
          </div>
        )}
      </form>
      <Screen />
    </main>
  );
}
