// What an email has beside other conversations: who has sent it and whether that is so, what is put
// below an answer, and what became of it.

import { useState } from "preact/hooks";
import { t } from "../i18n";
import type { InteractionView, MessageView } from "../types";
import type { Talk } from "../writing";

export const isMail = (of: InteractionView): boolean => of.medium === "email";

/** From whom, to which address, and what one's own mail server says of it. */
export function MailHead(props: { of: InteractionView }) {
  const { of } = props;
  if (!isMail(of)) return null;
  const from = of.caller_name ? `${of.caller_name} <${of.caller}>` : of.caller;
  const checks = ["spf", "dkim", "dmarc"].map((each) => [each, of.context[`mail_${each}`] ?? ""]);
  const known = checks.filter(([, verdict]) => verdict);
  const bad = known.some(([each, verdict]) => each === "dmarc" && verdict === "fail");
  const automatic = of.context.mail_automatic ?? "";
  const answers = of.context.mail_reply_to ?? "";
  return (
    <dl class="known">
      <div>
        <dt>{t("mail_from")}</dt>
        <dd>{from}</dd>
      </div>
      <div>
        <dt>{t("mail_to")}</dt>
        <dd>{of.called}</dd>
      </div>
      <div>
        <dt>{t("mail_check")}</dt>
        <dd class={bad ? "bad" : ""}>
          {known.map(([each, verdict]) => `${each?.toUpperCase()} ${verdict}`).join(" · ") ||
            t("mail_unchecked")}
          {bad && ` – ${t("mail_forged")}`}
        </dd>
      </div>
      {answers && (
        <div>
          <dt>{t("mail_reply_to")}</dt>
          <dd class="bad">{answers}</dd>
        </div>
      )}
      {automatic && (
        <div>
          <dt>{t("mail_automatic")}</dt>
          <dd>{automatic}</dd>
        </div>
      )}
    </dl>
  );
}

/** What a letter looks like, in a frame that can do nothing; pictures of other servers stay there. */
export function Letter(props: { of: InteractionView; line: MessageView }) {
  const [open, setOpen] = useState(false);
  const { of, line } = props;
  const html = (line.attachments ?? []).find((each) => each.use === "html" && !each.state);
  if (!html) return null;
  const path = [of.conversation ?? "", "messages", line.message, "html"].map(encodeURIComponent).join("/");
  return (
    <div class="letter">
      <button class="plain" aria-expanded={open} onClick={() => setOpen(!open)}>
        {t(open ? "mail_html_hide" : "mail_html")}
      </button>
      {(html.blocked ?? 0) > 0 && (
        <details class="blocked">
          <summary>{t("mail_blocked", { count: html.blocked ?? 0 })}</summary>
          {t("mail_blocked_why")}
        </details>
      )}
      {open && (
        <iframe
          title={t("mail_html_title")}
          sandbox="allow-popups allow-popups-to-escape-sandbox"
          referrerpolicy="no-referrer"
          src={`/api/v1/conversations/${path}`}
        />
      )}
    </div>
  );
}

/** What the switch adds to what is written. */
export function Below(props: { talk: Talk }) {
  const { lines, signature } = props.talk;
  const asked = lines.filter((each) => each.author === "customer").at(-1);
  const letters = Array.from(asked?.text ?? "");
  const fresh = letters.slice(0, asked?.folded || letters.length).join("");
  const quoted = fresh.replace(/^/gm, "> ");
  return (
    <details class="quoted">
      <summary>{t("mail_below")}</summary>
      <div class="text">{[signature, quoted].filter(Boolean).join("\n\n")}</div>
    </details>
  );
}

/** That an answer has not arrived, and why. */
export function Undelivered(props: { line: MessageView }) {
  const { delivery, error } = props.line;
  if (!delivery) return null;
  if (delivery === "waiting" && !error) return <div class="quiet">{t("chat_sending")}</div>;
  const word = delivery === "failed" ? "mail_failed" : "mail_later";
  return (
    <div class={delivery === "failed" ? "bad" : "quiet"} role="status">
      {t(word, { why: error ?? "" })}
    </div>
  );
}
