// The files of the configuration in an editor: checked, saved, taken over.

import { effect } from "@preact/signals";
import { useState } from "preact/hooks";
import { ApiError, type Answer, ask, list, me, post } from "../api";
import { t } from "../i18n";
import type { DocumentSaved, DocumentView, Finding, NamedDocument } from "../types";
import { attempt, Choice, Field, Form, tell } from "./basics";
import { useRead } from "./data";
import { Editor } from "./editor";

const place = (name: string): string =>
  `/configuration/documents/${encodeURIComponent(name)}`;

const shownName = (name: string): string => name.replaceAll(":", "/");

/** Where the dialplans are. */
const folderOf = (documents: NamedDocument[]): string => {
  const one = documents.find((each) => each.kind === "dialplan")?.document ?? "";
  return shownName(one.slice(0, one.lastIndexOf(":") + 1));
};

/** Texts that are not saved yet, and the tag of what each was made from: they outlive a look at
 * another page, and end with the session. */
const drafts = new Map<string, { text: string; tag: string }>();
effect(() => {
  if (!me.value) drafts.clear();
});

/** `onSaved`: the switch runs with something else now. */
export function Documents(props: { onSaved: () => void }) {
  const [name, setName] = useState("");
  const [making, setMaking] = useState(false);
  const [removing, setRemoving] = useState<Answer<DocumentView> | null>(null);
  const { value: documents, again } = useRead(() =>
    list<NamedDocument>("/configuration/documents"),
  );
  if (!documents) return <p class="quiet">{t("loading")}</p>;
  const first = documents.find((each) => each.kind === "configuration");
  const chosen = name || first?.document;
  if (!chosen) return <p class="quiet">{t("no_documents")}</p>;
  return (
    <section class="card">
      <h2>{t("files")}</h2>
      <div class="row">
        <Choice
          label={t("file")}
          options={documents.map((each) => [each.document, shownName(each.document)])}
          chosen={chosen}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <button type="button" onClick={() => setMaking(true)}>
          {t("new_dialplan")}
        </button>
        {documents.some((each) => each.document === chosen && each.kind === "dialplan") && (
          <button
            type="button"
            onClick={() =>
              void attempt(async () => setRemoving(await ask("GET", place(chosen))))
            }
          >
            {t("remove_dialplan")}
          </button>
        )}
      </div>
      <Text key={chosen} name={chosen} onSaved={props.onSaved} />
      {making && (
        <Form
          title={t("new_dialplan")}
          action={t("create")}
          onClose={() => setMaking(false)}
          onDone={async (data) => {
            const asked = String(data.get("file")).trim().replaceAll("/", ":");
            const document = asked.endsWith(".toml") ? asked : `${asked}.toml`;
            await post("/configuration/documents", { document });
            await again();
            setName(document);
            tell(t("dialplan_made", { file: shownName(document) }));
            props.onSaved();
          }}
        >
          <Field
            label={t("file_name")}
            hint={t("new_dialplan_hint")}
            name="file"
            required
            autocomplete="off"
            value={folderOf(documents)}
          />
        </Form>
      )}
      {removing && (
        <Form
          title={t("remove_dialplan")}
          action={t("remove")}
          danger
          onClose={() => setRemoving(null)}
          onDone={async () => {
            const { document } = removing.value;
            const path = place(document);
            const { value } = await ask<DocumentSaved>("DELETE", path, undefined, removing.tag);
            drafts.delete(document);
            setName("");
            await again();
            tell(t("backup", { file: `${document}.~${value.backup}~` }));
            props.onSaved();
          }}
        >
          <p>{t("remove_dialplan_sure", { file: shownName(removing.value.document) })}</p>
        </Form>
      )}
    </section>
  );
}

function Text(props: { name: string; onSaved: () => void }) {
  const { name } = props;
  const [draft, setDraft] = useState(drafts.get(name) ?? null);
  const [findings, setFindings] = useState<Finding[] | null>(null);
  const [stale, setStale] = useState(false);
  const [busy, setBusy] = useState(false);
  const [go, setGo] = useState<{ line: number } | null>(null);
  const { value: read, again } = useRead<Answer<DocumentView>>(
    () => ask<DocumentView>("GET", place(name)),
    [name],
  );
  if (!read) return <p class="quiet">{t("loading")}</p>;
  // A text field knows one end of line only.
  const ends = read.value.text.includes("\r\n") ? "\r\n" : "\n";
  const kept = read.value.text.replaceAll("\r\n", "\n");
  const shown = draft?.text ?? kept;
  const dirty = shown !== kept;
  const sent = { text: shown.replaceAll("\n", ends) };
  const start = async () => {
    drafts.delete(name);
    setDraft(null);
    setFindings(null);
    setStale(false);
    await again();
  };
  const check = async (): Promise<boolean> => {
    const told = await post<{ findings: Finding[] }>(`${place(name)}/check`, sent);
    setFindings(told.findings);
    return told.findings.length === 0;
  };
  const save = async () => {
    if (!(await check())) return;
    try {
      const { value } = await ask<DocumentSaved>("PUT", place(name), sent, draft?.tag ?? read.tag);
      const backup = value.backup ? t("backup", { file: `${name}.~${value.backup}~` }) : "";
      tell([t("saved"), backup, ...value.notes].filter(Boolean).join(" "));
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 412)) throw error;
      setStale(true);
      return;
    }
    await start();
    props.onSaved();
  };
  const work = async (what: () => Promise<unknown>) => {
    setBusy(true);
    await attempt(what);
    setBusy(false);
  };
  const mine = (findings ?? []).filter((each) => each.file === read.value.file);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void work(save);
      }}
    >
      <label for="document">{t("text_of", { file: read.value.file })}</label>
      <Editor
        id="document"
        text={shown}
        marked={new Set(mine.map((each) => each.line))}
        go={go}
        describedBy="document-told"
        onInput={(changed) => {
          const made = { text: changed, tag: draft?.tag ?? read.tag };
          drafts.set(name, made);
          setDraft(made);
          setFindings(null);
        }}
      />
      <div class="row">
        <button type="button" disabled={busy} onClick={() => void work(check)}>
          {t("check")}
        </button>
        <button class="primary" disabled={busy || !dirty}>
          {t("save_and_reload")}
        </button>
        <button type="button" disabled={busy || !dirty} onClick={() => void work(start)}>
          {t("discard")}
        </button>
        <span id="document-told" role="status">
          {findings &&
            (findings.length ? t("findings", { count: findings.length }) : t("no_findings"))}{" "}
          {dirty && t("unsaved")}
        </span>
      </div>
      {stale && (
        <div class="finding" role="alert">
          {t("changed_meanwhile")}{" "}
          <button type="button" onClick={() => void work(start)}>
            {t("read_again")}
          </button>
        </div>
      )}
      {findings?.map((each, index) => (
        <div key={index} class="finding">
          <div>
            {each.file === read.value.file ? (
              <button type="button" onClick={() => setGo({ line: each.line })}>
                {t("line", { n: each.line })}
              </button>
            ) : (
              <strong>
                {each.file}, {t("line", { n: each.line })}
              </strong>
            )}{" "}
            <code>{each.key}</code>: {t("found")} {each.found}, {t("expected")} {each.expected}
            {each.hint && ` (${each.hint})`}
          </div>
          {each.file === read.value.file && <pre>{shown.split("\n")[each.line - 1]}</pre>}
        </div>
      ))}
    </form>
  );
}
