// Files of conversations: what came, what is sent. Pictures are shown small, all else is only saved.

import { useRef } from "preact/hooks";
import { size } from "../format";
import { t } from "../i18n";
import type { AttachmentView } from "../types";
import { type Attached, attach, detach } from "../writing";

const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const LARGEST = 10_000_000;

/** What a message has. */
export function Files(props: { conversation: string; files: AttachmentView[] }) {
  if (!props.files.length) return null;
  return (
    <ul class="files" aria-label={t("chat_files")}>
      {props.files.map((each, at) => (
        <li key={at}>
          <File {...{ conversation: props.conversation, file: each }} />
        </li>
      ))}
    </ul>
  );
}

function File(props: { conversation: string; file: AttachmentView }) {
  const { file } = props;
  const path = [props.conversation, "attachments", file.digest].map(encodeURIComponent).join("/");
  const href = `/api/v1/conversations/${path}`;
  if (file.state === "infected") return <span class="bad">{told(file, t("file_infected"))}</span>;
  if (file.state === "unscanned") return <span class="quiet">{told(file, t("file_unscanned"))}</span>;
  if (file.state) return <span class="quiet">{told(file, t("chat_file_gone"))}</span>;
  const shown = PICTURES.includes(file.media_type) && file.size <= LARGEST;
  return (
    <a href={href} download={file.name}>
      {shown && <img src={href} alt="" loading="lazy" />}
      <span>{told(file, "")}</span>
    </a>
  );
}

const told = (file: { name: string; size: number }, more: string): string =>
  `${file.name} (${size(file.size)})${more && `: ${more}`}`;

/** What is to be sent, or on its way; with `name` of a conversation it can be taken away. */
export function Going(props: { files: Attached[]; name?: string }) {
  const { files, name } = props;
  if (!files.length) return null;
  return (
    <ul class="files" aria-label={t("files_to_send")}>
      {files.map((each) => (
        <li key={each.key} role={each.failed ? "alert" : undefined}>
          <span class={each.failed ? "bad" : ""}>
            {told(each, each.failed || (each.digest ? "" : t("file_uploading")))}
          </span>
          {name && (
            <button
              type="button"
              aria-label={t("file_remove", { name: each.name })}
              onClick={() => detach(name, each.key)}
            >
              ×
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Chooses files. */
export function Clip(props: { name: string }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" onClick={() => input.current?.click()}>
        {t("file_attach")}
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label={t("file_attach")}
        onChange={(event) => {
          attach(props.name, Array.from(event.currentTarget.files ?? []));
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}
