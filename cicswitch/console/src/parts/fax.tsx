// The pages of a fax as pictures: turned, enlarged, saved as a PDF; and how faxes went.

import { useState } from "preact/hooks";
import { list } from "../api";
import { moment } from "../format";
import { t, type Word } from "../i18n";
import type { FaxView } from "../types";
import { Table } from "./basics";
import { useLive } from "./data";

const ZOOM = [50, 75, 100, 150, 200];
const WIDE = 1728;

const STATES: Record<string, Word> = {
  received: "fax_received",
  partial: "fax_partial",
  waiting: "fax_waiting",
  sending: "fax_sending",
  sent: "fax_sent",
  failed: "fax_failed",
};

export function faxState(fax: FaxView): string {
  const word = STATES[fax.state];
  return word ? t(word) : fax.state;
}

/** One page at a time. */
export function Paper(props: { fax: FaxView }) {
  const { fax } = props;
  const [page, setPage] = useState(1);
  const [turn, setTurn] = useState(0);
  const [zoom, setZoom] = useState(2);
  if (!fax.pictures || !fax.pages) return null;
  const path = `/api/v1/faxes/${encodeURIComponent(fax.fax)}/pages/${page}?width=${WIDE}&turn=${turn}`;
  const pdf = fax.pdf;
  const where = t("fax_page_of", { page, pages: fax.pages });
  const size = ZOOM[zoom] ?? 100;
  return (
    <section class="paper" aria-label={t("fax_pages")}>
      <div class="row" role="toolbar" aria-label={t("fax_pages")}>
        <button
          disabled={page <= 1}
          aria-label={t("fax_before")}
          onClick={() => setPage(page - 1)}
        >
          ‹
        </button>
        <span role="status">{where}</span>
        <button
          disabled={page >= fax.pages}
          aria-label={t("fax_next")}
          onClick={() => setPage(page + 1)}
        >
          ›
        </button>
        <button onClick={() => setTurn((turn + 90) % 360)}>{t("fax_turn")}</button>
        <button disabled={!zoom} aria-label={t("fax_smaller")} onClick={() => setZoom(zoom - 1)}>
          −
        </button>
        <span>{size} %</span>
        <button
          disabled={zoom === ZOOM.length - 1}
          aria-label={t("fax_larger")}
          onClick={() => setZoom(zoom + 1)}
        >
          +
        </button>
        {pdf && (
          <a
            href={`/api/v1/conversations/${encodeURIComponent(fax.conversation)}/attachments/${pdf.digest}`}
            download={pdf.name}
          >
            {t("fax_pdf")}
          </a>
        )}
      </div>
      <div class="sheet" tabIndex={0} role="group" aria-label={where}>
        <img src={path} alt={where} class={`zoom-${size}`} />
      </div>
    </section>
  );
}

/** What a conversation has of faxes: the pages of what came, and how answers went. */
export function Faxes(props: { conversation: string }) {
  const { value } = useLive(
    () => list<FaxView>(`/faxes?conversation=${encodeURIComponent(props.conversation)}`, 50),
    (event) => event.type === "FaxChanged" || event.type === "MessageDelivered",
    [props.conversation],
  );
  const faxes = value ?? [];
  const came = faxes.find((each) => each.direction === "in");
  const gone = faxes.filter((each) => each.direction === "out");
  return (
    <>
      {came?.state === "partial" && (
        <p class="note bad">{t("fax_part", { why: came.cause })}</p>
      )}
      {came && <Paper key={came.fax} fax={came} />}
      {gone.length > 0 && (
        <ul class="faxes" aria-label={t("fax_answers")}>
          {gone.map((each) => (
            <li key={each.fax}>
              <strong>{faxState(each)}</strong> {moment(each.updated_at)}{" "}
              {each.state !== "sent" && each.cause && <span>{each.cause}</span>}
              {each.state === "sent" && t("fax_sent_pages", { count: each.pages })}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** Page by page, as it went over the line. */
export function Lines(props: { fax: FaxView }) {
  return (
    <Table
      label={t("fax_pages")}
      items={props.fax.lines}
      id={(each) => String(each.page)}
      empty={t("fax_no_lines")}
      columns={[
        { head: t("fax_page"), numeric: true, cell: (each) => each.page },
        {
          head: t("fax_size"),
          cell: (each) =>
            `${each.width} × ${each.length}, ${Math.round(each.x_dpi)} × ${Math.round(each.y_dpi)} dpi`,
        },
        { head: t("fax_rate"), numeric: true, cell: (each) => each.bit_rate },
        { head: t("fax_encoding"), cell: (each) => each.encoding + (each.ecm ? ", ECM" : "") },
        { head: t("fax_bad_rows"), numeric: true, cell: (each) => each.bad_rows },
      ]}
    />
  );
}
