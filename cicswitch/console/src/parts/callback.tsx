// Have a customer called: by whom he is asked for, when, and what it is about.

import { useState } from "preact/hooks";
import { ask } from "../api";
import { t } from "../i18n";
import { language } from "../settings";
import type { CallbackView, QueueView } from "../types";
import { Choice, Field, Form, tell } from "./basics";

export function OrderCallback(props: {
  queues: QueueView[];
  onClose: () => void;
  onDone?: () => Promise<unknown>;
}) {
  const [later, setLater] = useState(false);
  return (
    <Form
      title={t("order_callback")}
      action={t("order")}
      onClose={props.onClose}
      onDone={async (data) => {
        const text = (name: string) => String(data.get(name) ?? "").trim();
        const time = text("time");
        const made = await ask<CallbackView>("POST", "/callbacks", {
          queue: text("queue"),
          number: text("number"),
          name: text("name"),
          note: text("note"),
          language: text("language"),
          at: later && time ? new Date(time).getTime() / 1000 : 0,
        });
        tell(t("callback_ordered", { number: made.value.number }));
        await props.onDone?.();
      }}
    >
      <Choice
        label={t("queue")}
        name="queue"
        required
        options={props.queues.map((each): [string, string] => [each.queue, each.queue])}
      />
      <Field label={t("number")} name="number" type="tel" required maxLength={40} />
      <Field label={t("name")} name="name" maxLength={80} />
      <Choice
        label={t("when")}
        options={[
          ["soon", t("as_soon_as_possible")],
          ["at", t("at_a_time")],
        ]}
        onChange={(event) => setLater(event.currentTarget.value === "at")}
      />
      {later && <Field label={t("day_and_time")} name="time" type="datetime-local" required />}
      <Choice
        label={t("language")}
        name="language"
        chosen={language.value}
        options={[
          ["en", "English"],
          ["ko", "한국어"],
        ]}
      />
      <Field label={t("note")} name="note" maxLength={500} />
    </Form>
  );
}
