// What the switch runs with; checking a candidate; taking the file over.

import { useState } from "preact/hooks";
import { get, may, post } from "../api";
import { t } from "../i18n";
import { attempt, Form, tell } from "../parts/basics";
import { useRead } from "../parts/data";
import type { Finding } from "../types";

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
      <Candidate />
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

/** A text with the loader's findings beside its lines. */
function Candidate() {
  const [text, setText] = useState("");
  const [findings, setFindings] = useState<Finding[] | null>(null);
  const lines = text.split("\n");
  return (
    <section class="card">
      <h2>{t("candidate")}</h2>
      <form
        onSubmit={async (event) => {
          event.preventDefault();
          await attempt(async () => {
            const told = await post<{ findings: Finding[] }>("/configuration/check", { text });
            setFindings(told.findings);
          });
        }}
      >
        <label for="candidate">{t("candidate_text")}</label>
        <textarea
          id="candidate"
          rows={12}
          spellcheck={false}
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setFindings(null);
          }}
        />
        <div class="row">
          <button disabled={!text}>{t("check")}</button>
          <span role="status">
            {findings &&
              (findings.length ? t("findings", { count: findings.length }) : t("no_findings"))}
          </span>
        </div>
      </form>
      {findings?.map((each, index) => (
        <div key={index} class="finding">
          <div>
            <strong>{t("line", { n: each.line })}</strong> <code>{each.key}</code>: {t("found")}{" "}
            {each.found}, {t("expected")} {each.expected}
            {each.hint && ` (${each.hint})`}
          </div>
          {each.line > 0 && <pre>{lines[each.line - 1]}</pre>}
        </div>
      ))}
    </section>
  );
}
