// Recordings and voicemail messages: looked for, listened to, removed.

import { useEffect, useState } from "preact/hooks";
import { ask, get, may } from "../api";
import { day, midnight, moment, span } from "../format";
import { t } from "../i18n";
import { attempt, Choice, type Column, Dialog, Field, Form, Table } from "../parts/basics";
import { Player } from "../parts/player";
import type { RecordingView } from "../types";

type Found = { items: RecordingView[]; next?: string | null };
const FIELDS = ["queue", "agent", "number", "segment", "kind", "shortest_s"];

export function Recordings() {
  const [query, setQuery] = useState(
    new URLSearchParams({ since: midnight(day(-30)), until: midnight(day(1)) }),
  );
  const [found, setFound] = useState<Found | null>(null);
  const [busy, setBusy] = useState(false);
  const [chosen, setChosen] = useState<[what: string, of: RecordingView] | null>(null);
  const close = () => setChosen(null);
  const [what, of] = chosen ?? ["", null];

  const read = async (cursor: string, before: RecordingView[]) => {
    const asked = new URLSearchParams(query);
    if (cursor) asked.set("cursor", cursor);
    setBusy(true);
    await attempt(async () => {
      const page = await get<Found>(`/recordings?${asked}`);
      setFound({ items: [...before, ...page.items], next: page.next });
    });
    setBusy(false);
  };
  useEffect(() => void read("", []), [query]);

  const search = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const wanted = new URLSearchParams();
    for (const name of ["since", "until"])
      if (data.get(name)) wanted.set(name, midnight(String(data.get(name))));
    for (const name of FIELDS)
      if (data.get(name)) wanted.set(name, String(data.get(name)).trim());
    setQuery(wanted);
  };

  const columns: Column<RecordingView>[] = [
    { head: t("at"), cell: (each) => moment(each.started_at) },
    { head: t("kind"), cell: (each) => kindOf(each) },
    { head: t("caller"), cell: (each) => each.caller },
    { head: t("called"), cell: (each) => each.called },
    { head: t("queue"), cell: (each) => each.queue },
    { head: t("agent"), cell: (each) => each.agent },
    { head: t("segment"), cell: (each) => each.segment },
    { head: t("lasts"), numeric: true, cell: (each) => span(each.duration_s) },
    {
      head: t("actions"),
      cell: (each) =>
        each.gone ? (
          <span class="quiet">{t("file_gone")}</span>
        ) : (
          <div class="actions">
            {(may("recordings:listen") || may("recordings:self")) && (
              <button onClick={() => setChosen(["listen", each])}>{t("listen")}</button>
            )}
            {may("recordings:write") && (
              <button class="danger" onClick={() => setChosen(["remove", each])}>
                {t("remove")}
              </button>
            )}
          </div>
        ),
    },
  ];
  return (
    <>
      <h1>{t("recordings")}</h1>
      <form class="card row" onSubmit={search}>
        <Field label={t("since")} name="since" type="date" defaultValue={day(-30)} />
        <Field label={t("until")} name="until" type="date" defaultValue={day(1)} />
        <Field label={t("queue")} name="queue" />
        {may("recordings:read") && <Field label={t("agent")} name="agent" />}
        <Field label={t("number_begins")} name="number" inputMode="tel" />
        <Field label={t("segment")} name="segment" />
        <Choice
          label={t("kind")}
          name="kind"
          options={[
            ["", t("all")],
            ["recording", t("kind_recording")],
            ["voicemail", t("kind_voicemail")],
          ]}
        />
        <Field label={t("shortest")} name="shortest_s" type="number" min="0" />
        <button class="primary" disabled={busy}>
          {t("search")}
        </button>
      </form>
      <Table
        label={t("recordings")}
        items={found?.items ?? []}
        id={(each) => each.recording}
        empty={found ? t("nothing") : t("loading")}
        columns={columns}
      />
      {found?.next && (
        <button disabled={busy} onClick={() => void read(found.next ?? "", found.items)}>
          {t("more")}
        </button>
      )}
      {of && what === "listen" && (
        <Dialog wide title={`${kindOf(of)}: ${of.caller} → ${of.agent || of.called}`} onClose={close}>
          <p class="quiet">{moment(of.started_at)}</p>
          <Player of={of} />
        </Dialog>
      )}
      {of && what === "remove" && (
        <Form
          title={t("remove")}
          action={t("remove")}
          danger
          onClose={close}
          onDone={async () => {
            await ask("DELETE", `/recordings/${encodeURIComponent(of.recording)}`);
            await read("", []);
          }}
        >
          <p>{t("remove_recording_sure")}</p>
        </Form>
      )}
    </>
  );
}

const kindOf = (each: RecordingView): string =>
  each.kind === "voicemail" ? t("kind_voicemail") : t("kind_recording");
