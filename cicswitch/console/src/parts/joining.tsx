// Two conversations made one, and one made two.

import { useEffect, useState } from "preact/hooks";
import { ask, items } from "../api";
import { moment } from "../format";
import { t } from "../i18n";
import type { ConversationView, InteractionView, MessageView } from "../types";
import { merged, read } from "../writing";
import { Choice, Field, Form } from "./basics";

/** Make it one with another conversation of the same customer, if there is one. */
export function Merge(props: { of: InteractionView }) {
  const name = props.of.conversation ?? "";
  const [others, setOthers] = useState<ConversationView[]>([]);
  const [asking, setAsking] = useState(false);
  const path = `/conversations/${encodeURIComponent(name)}`;
  const look = () =>
    items<ConversationView>(`${path}/mergeable`)
      .then(setOthers)
      .catch(() => setOthers([]));
  useEffect(() => {
    void look();
    // What comes for others is told to nobody here.
    const again = window.setInterval(look, 20_000);
    return () => window.clearInterval(again);
  }, [name]);
  if (!others.length) return null;
  return (
    <>
      <button onClick={() => setAsking(true)}>{t("merge")}</button>
      {asking && (
        <Form
          title={t("merge")}
          action={t("merge")}
          onClose={() => setAsking(false)}
          onDone={async (data) => {
            const other = String(data.get("other"));
            const { value } = await ask<ConversationView>("POST", `${path}/merge`, { conversation: other });
            await merged(value.conversation, value.conversation === name ? other : name);
            await look();
          }}
        >
          <p>{t("merge_text")}</p>
          <Choice
            label={t("merge_with")}
            name="other"
            options={others.map((each) => [
              each.conversation,
              `${each.subject || each.called} (${moment(each.opened_at)})`,
            ])}
          />
        </Form>
      )}
    </>
  );
}

/** Make a conversation of its own of a message and what follows it. */
export function Split(props: { of: InteractionView; line: MessageView }) {
  const [asking, setAsking] = useState(false);
  const { of, line } = props;
  const name = of.conversation ?? "";
  if (line.author !== "customer" || line.seq < 2) return null;
  return (
    <>
      {" "}
      <button class="plain" onClick={() => setAsking(true)}>
        {t("split")}
      </button>
      {asking && (
        <Form
          title={t("split")}
          action={t("split")}
          onClose={() => setAsking(false)}
          onDone={async (data) => {
            const body = { message: line.message, subject: String(data.get("subject") ?? "") };
            await ask("POST", `/conversations/${encodeURIComponent(name)}/split`, body);
            await merged(name, "");
            await read(name);
          }}
        >
          <p>{t("split_text")}</p>
          <Field label={t("chat_subject")} name="subject" maxLength={200} defaultValue={of.subject} />
        </Form>
      )}
    </>
  );
}
