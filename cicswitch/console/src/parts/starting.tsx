// Write to a customer who has not written: by which channel, to whom, from which address.

import { useId, useState } from "preact/hooks";
import { ask, get } from "../api";
import { t } from "../i18n";
import type { ConversationView, StartingChannels } from "../types";
import { Choice, Field, Form, tell } from "./basics";
import { useRead } from "./data";

export function WriteFirst() {
  const [open, setOpen] = useState(false);
  const { value } = useRead(() => get<StartingChannels>("/channels/starting"));
  const channels = value?.items ?? [];
  if (!channels.length) return null;
  return (
    <>
      <button onClick={() => setOpen(true)}>{t("write_first")}</button>
      {open && <Dialog channels={channels} onClose={() => setOpen(false)} />}
    </>
  );
}

function Dialog(props: { channels: StartingChannels["items"]; onClose: () => void }) {
  const [name, setName] = useState(props.channels[0]?.channel ?? "");
  const id = useId();
  const channel = props.channels.find((each) => each.channel === name);
  const mail = channel?.medium === "email";
  return (
    <Form
      title={t("write_first")}
      action={t("send")}
      onClose={props.onClose}
      onDone={async (data) => {
        const text = (key: string) => String(data.get(key) ?? "").trim();
        const body: Record<string, string> = { channel: name };
        for (const key of ["to", "name", "called", "subject", "text"]) body[key] = text(key);
        const made = await ask<ConversationView>("POST", "/conversations", body);
        tell(t("written_first", { to: made.value.customer }));
      }}
    >
      <Choice
        label={t("write_channel")}
        options={props.channels.map((each): [string, string] => [each.channel, each.channel])}
        chosen={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <Field
        label={t("write_to")}
        name="to"
        required
        maxLength={320}
        hint={mail ? undefined : t("write_to_hint")}
      />
      <Field label={t("name")} name="name" maxLength={80} />
      {channel?.called.length ? (
        <Choice
          key={name}
          label={t("write_from")}
          name="called"
          options={channel.called.map((each): [string, string] => [each, each])}
        />
      ) : (
        <Field label={t("write_from")} name="called" required maxLength={64} />
      )}
      {mail && <Field label={t("write_subject")} name="subject" required maxLength={200} />}
      <div class="field">
        <label for={id}>{t("message")}</label>
        <textarea id={id} name="text" rows={8} required maxLength={20000} />
      </div>
    </Form>
  );
}
