// Prompts: what callers hear; made of a file or of a text.

import { useRef, useState } from "preact/hooks";
import { type Answer, ask, list, may } from "../api";
import { span } from "../format";
import { t, type Word } from "../i18n";
import { attempt, Choice, Field, Form, Table, tell } from "../parts/basics";
import { useRead } from "../parts/data";
import type { PromptView } from "../types";

type Changed = { what: "new" | "replace" | "remove"; of?: Answer<PromptView> };

const place = (language: string, prompt: string): string =>
  `/prompts/${encodeURIComponent(language)}/${encodeURIComponent(prompt)}`;

export function Prompts() {
  const { value, again } = useRead(() => list<PromptView>("/prompts"));
  const [language, setLanguage] = useState("");
  const [changed, setChanged] = useState<Changed | null>(null);
  const [heard, setHeard] = useState("");
  const player = useRef<HTMLAudioElement>(null);
  if (!value) return <p class="quiet">{t("loading")}</p>;
  const languages = [...new Set(value.map((each) => each.language))].sort();
  const change = (what: Changed["what"], each: PromptView) =>
    void attempt(async () => {
      const of = await ask<PromptView>("GET", place(each.language, each.prompt));
      setChanged({ what, of });
    });
  const hear = (each: PromptView) => {
    const audio = player.current;
    if (!audio) return;
    const name = `${each.language}/${each.prompt}`;
    if (heard === name) {
      audio.pause();
      setHeard("");
      return;
    }
    audio.src = `/api/v1${place(each.language, each.prompt)}/audio`;
    setHeard(name);
    void audio.play().catch(() => {
      setHeard("");
      tell(t("failed"));
    });
  };
  return (
    <>
      <header class="page">
        <h1>{t("prompts")}</h1>
        {may("prompts:write") && (
          <button class="primary" onClick={() => setChanged({ what: "new" })}>
            {t("new_prompt")}
          </button>
        )}
      </header>
      <Choice
        label={t("language")}
        options={[["", t("all_languages")], ...languages.map((each): [string, string] => [each, each])]}
        chosen={language}
        onChange={(event) => setLanguage(event.currentTarget.value)}
      />
      <audio ref={player} onEnded={() => setHeard("")} />
      <Table
        label={t("prompts")}
        items={value.filter((each) => !language || each.language === language)}
        id={(each) => `${each.language}/${each.prompt}`}
        empty={t("nothing")}
        columns={[
          { head: t("language"), by: (each) => each.language, cell: (each) => each.language },
          { head: t("prompt"), by: (each) => each.prompt, cell: (each) => each.prompt },
          {
            head: t("duration"),
            numeric: true,
            by: (each) => each.duration_s,
            cell: (each) => span(Math.ceil(each.duration_s)),
          },
          { head: t("transcript"), cell: (each) => each.transcript || "–" },
          {
            head: t("prompt_source"),
            by: (each) => each.source,
            cell: (each) => t(`source_${each.source}` as Word),
          },
          { head: t("used_by"), cell: (each) => each.used_by.join(", ") || "–" },
          {
            head: t("actions"),
            cell: (each) => {
              const name = `${each.prompt} (${each.language})`;
              return (
                <div class="row">
                  <button
                    aria-label={`${t("listen_prompt")} ${name}`}
                    aria-pressed={heard === `${each.language}/${each.prompt}`}
                    onClick={() => hear(each)}
                  >
                    {t("listen_prompt")}
                  </button>
                  {may("prompts:write") && (
                    <button
                      aria-label={`${t("replace")} ${name}`}
                      onClick={() => change("replace", each)}
                    >
                      {t("replace")}
                    </button>
                  )}
                  {may("prompts:write") && each.source === "uploaded" && (
                    <button
                      aria-label={`${t("remove")} ${name}`}
                      onClick={() => change("remove", each)}
                    >
                      {t("remove")}
                    </button>
                  )}
                </div>
              );
            },
          },
        ]}
      />
      {changed?.what === "remove" && changed.of && (
        <Form
          title={t("remove_prompt")}
          action={t("remove")}
          danger
          onClose={() => setChanged(null)}
          onDone={async () => {
            const { value: gone, tag } = changed.of as Answer<PromptView>;
            await ask("DELETE", place(gone.language, gone.prompt), undefined, tag);
            await again();
          }}
        >
          <p>{t("remove_prompt_sure", { prompt: changed.of.value.prompt })}</p>
        </Form>
      )}
      {changed && changed.what !== "remove" && (
        <Form
          title={changed.of ? changed.of.value.prompt : t("new_prompt")}
          action={t("save")}
          onClose={() => setChanged(null)}
          onDone={async (data) => {
            const given = changed.of?.value;
            const path = place(
              given?.language ?? String(data.get("language")).trim(),
              given?.prompt ?? String(data.get("prompt")).trim(),
            );
            const text = String(data.get("text")).trim();
            const file = data.get("file");
            const tag = changed.of?.tag;
            if (file instanceof File && file.size) {
              const wav = await base64(file);
              await ask("PUT", path, { wav, transcript: text }, tag);
            } else await ask("POST", `${path}/speak`, { text }, tag);
            await again();
            tell(t("prompt_saved"));
          }}
        >
          {!changed.of && (
            <>
              <Field label={t("language")} name="language" required defaultValue={language || "en"} />
              <Field label={t("prompt")} name="prompt" hint={t("prompt_name_hint")} required />
            </>
          )}
          <Field label={t("wav_file")} hint={t("wav_hint")} name="file" type="file" accept=".wav,audio/wav" />
          <Field
            label={t("transcript")}
            hint={t("speak_hint")}
            name="text"
            defaultValue={changed.of?.value.transcript ?? ""}
          />
        </Form>
      )}
    </>
  );
}

function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
