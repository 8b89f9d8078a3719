// Trunks and devices: what is up, and what is wrong with the rest.

import { list } from "../api";
import { count } from "../format";
import { t } from "../i18n";
import { State, Table } from "../parts/basics";
import { useLive } from "../parts/data";
import type { DeviceView, TrunkView } from "../types";

export function Trunks() {
  const trunks = useLive(() => list<TrunkView>("/trunks"), () => false).value;
  const devices = useLive(() => list<DeviceView>("/devices"), () => false).value;
  return (
    <>
      <h1>{t("trunks")}</h1>
      <Table
        label={t("trunks")}
        items={trunks ?? []}
        id={(each) => each.trunk}
        empty={trunks ? t("no_trunks") : t("loading")}
        columns={[
          { head: t("trunk"), by: (each) => each.trunk, cell: (each) => each.trunk },
          {
            head: t("state"),
            by: (each) => Number(each.up),
            cell: (each) => (
              <State state={each.up ? "up" : "down"} text={each.up ? t("up") : t("down")} />
            ),
          },
          { head: t("calls"), numeric: true, by: (each) => each.calls, cell: (each) => count(each.calls) },
          { head: t("address"), cell: (each) => each.address },
          { head: t("problem"), cell: (each) => each.problem },
        ]}
      />
      <h2>{t("devices")}</h2>
      <Table
        label={t("devices")}
        items={devices ?? []}
        id={(each) => each.device}
        empty={devices ? t("nothing") : t("loading")}
        columns={[
          { head: t("device"), by: (each) => each.device, cell: (each) => each.device },
          { head: t("name"), by: (each) => each.name, cell: (each) => each.name },
          {
            head: t("state"),
            by: (each) => Number(each.registered),
            cell: (each) => (
              <State
                state={each.registered ? "up" : "offline"}
                text={each.registered ? t("registered") : t("not_registered")}
              />
            ),
          },
          { head: t("agent"), by: (each) => each.agent, cell: (each) => each.agent },
        ]}
      />
    </>
  );
}
