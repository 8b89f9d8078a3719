// One queue: its figures, and who waits in it.

import { get, may } from "../api";
import { count, percent, span } from "../format";
import { t } from "../i18n";
import { Tile } from "../parts/basics";
import { useLive } from "../parts/data";
import { link } from "../router";
import type { QueueView } from "../types";
import { Interactions } from "./interactions";

export function Queue(props: { name: string }) {
  const { value: queue } = useLive(
    () => get<QueueView>(`/queues/${encodeURIComponent(props.name)}`),
    (event) => event.queue === props.name,
    [props.name],
  );
  return (
    <>
      <nav aria-label={t("queues")} class="trail">
        <a href={link()}>{t("wallboard")}</a> › <span aria-current="page">{props.name}</span>
      </nav>
      <h1>
        {props.name} {queue && !queue.open && <span class="badge">{t("closed")}</span>}
      </h1>
      {queue && (
        <section class="tiles">
          <Tile label={t("waiting")} value={count(queue.waiting)} />
          <Tile label={t("longest")} value={queue.waiting ? span(queue.longest_wait_s) : "–"} />
          <Tile label={t("ewt")} value={`${span(queue.ewt_p50_s)} / ${span(queue.ewt_p90_s)}`} />
          <Tile label={t("idle_of")} value={`${count(queue.idle)} / ${count(queue.signed_in)}`} />
          <Tile label={t("callbacks")} value={count(queue.callbacks)} />
          <Tile label={t("state_snoozed")} value={count(queue.snoozed)} />
          <Tile label={t("figure_overdue")} value={count(queue.overdue)} class={queue.overdue ? "bad" : ""} />
          <Tile label={t("service_level_today")} value={percent(queue.service_level)} />
          <Tile label={t("asa")} value={span(queue.asa_s)} />
          <Tile label={t("offered")} value={count(queue.offered)} />
          <Tile label={t("abandoned")} value={count(queue.abandoned)} />
        </section>
      )}
      {may("interactions:read") && (
        <>
          <h2>{t("interactions")}</h2>
          <Interactions queue={props.name} />
        </>
      )}
    </>
  );
}
