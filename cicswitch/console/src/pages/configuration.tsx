// The files of the configuration; what the switch runs with; taking the files over.

import { useState } from "preact/hooks";
import { get, may, post } from "../api";
import { t } from "../i18n";
import { Form, tell } from "../parts/basics";
import { useRead } from "../parts/data";
import { Documents } from "../parts/documents";

export function Configuration() {
  const { value, again } = useRead(() => get<Record<string, unknown>>("/configuration"));
  const [reloading, setReloading] = useState(false);
  return (
    <>
      <header class="page">
        <h1>{t("configuration")}</h1>
        {may("config:write") && (
          <button class="primary" onClick={() => setReloading(true)}>
            {t("reload")}
          </button>
        )}
      </header>
      <p class="quiet">{t("configuration_text")}</p>
      {may("config:edit") && <Documents onSaved={() => void again()} />}
      <section class="card">
        <h2>{t("in_use")}</h2>
        {value ? <Sections of={value} /> : <p class="quiet">{t("loading")}</p>}
      </section>
      {reloading && (
        <Form
          title={t("reload")}
          action={t("reload")}
          onClose={() => setReloading(false)}
          onDone={async () => {
            const { notes } = await post<{ notes: string[] }>("/configuration/reload");
            tell([t("reloaded"), ...notes].join(" "));
            await again();
          }}
        >
          <p>{t("reload_sure")}</p>
        </Form>
      )}
    </>
  );
}

function Sections(props: { of: Record<string, unknown> }) {
  return (
    <>
      {Object.entries(props.of).map(([name, value]) =>
        value !== null && typeof value === "object" && Object.keys(value).length ? (
          <details key={name}>
            <summary>
              <code>[{name}]</code>
            </summary>
            <pre>{JSON.stringify(value, null, 2)}</pre>
          </details>
        ) : (
          <p key={name}>
            <code>
              {name} = {JSON.stringify(value)}
            </code>
          </p>
        ),
      )}
    </>
  );
}
