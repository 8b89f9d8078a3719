// How much an agent may hold at once, and what may interrupt what.

import { get } from "../api";
import { mediumWord, t } from "../i18n";
import type { SwitchEvent } from "../live";
import type { AgentCapacity } from "../types";
import { Table } from "./basics";
import { useLive } from "./data";

export function Capacity(props: { agent: string }) {
  const path = `/agents/${encodeURIComponent(props.agent)}/capacity`;
  const { value } = useLive(
    () => get<AgentCapacity>(path),
    (event: SwitchEvent) => event.agent === props.agent,
    [path],
    15_000,
  );
  return (
    <Table
      label={t("capacity")}
      items={value?.media ?? []}
      id={(each) => each.medium}
      empty={t("nothing")}
      columns={[
        { head: t("medium"), cell: (each) => mediumWord(each.medium) },
        {
          head: t("in_hand"),
          numeric: true,
          cell: (each) => t("of_most", { count: each.in_hand, most: each.most }),
        },
        {
          head: t("interrupted_by"),
          cell: (each) => each.interrupted_by.map(mediumWord).join(", ") || t("by_nothing"),
        },
      ]}
    />
  );
}
