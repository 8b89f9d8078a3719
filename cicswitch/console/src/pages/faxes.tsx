// All faxes: what came, what went, and why not.

import { useState } from "preact/hooks";
import { list } from "../api";
import { moment } from "../format";
import { t } from "../i18n";
import { Dialog, Table } from "../parts/basics";
import { useLive } from "../parts/data";
import { faxState, Lines, Paper } from "../parts/fax";
import type { FaxView } from "../types";

export function FaxList() {
  const { value } = useLive(
    () => list<FaxView>("/faxes", 500),
    (event) => event.type === "FaxChanged",
  );
  const [chosen, setChosen] = useState<FaxView | null>(null);
  return (
    <>
      <h1>{t("faxes")}</h1>
      <Table
        label={t("faxes")}
        items={value ?? []}
        id={(each) => each.fax}
        empty={value ? t("fax_none") : t("loading")}
        columns={[
          { head: t("at"), by: (each) => -each.at, cell: (each) => moment(each.at) },
          {
            head: t("fax_way"),
            by: (each) => each.direction,
            cell: (each) => t(each.direction === "in" ? "fax_in" : "fax_out"),
          },
          { head: t("number"), by: (each) => each.number, cell: (each) => each.number },
          { head: t("fax_machine"), cell: (each) => each.ident },
          { head: t("state"), by: (each) => each.state, cell: faxState },
          { head: t("fax_pages"), numeric: true, cell: (each) => each.pages },
          { head: t("attempts"), numeric: true, cell: (each) => each.attempts },
          { head: t("fax_cause"), cell: (each) => each.cause },
          {
            head: t("actions"),
            cell: (each) => <button onClick={() => setChosen(each)}>{t("fax_show")}</button>,
          },
        ]}
      />
      {chosen && (
        <Dialog wide title={`${t("fax_one")} ${chosen.number}`} onClose={() => setChosen(null)}>
          <p>
            {faxState(chosen)}: {chosen.cause} {chosen.t38 ? "T.38" : ""}
          </p>
          <Lines fax={chosen} />
          <Paper fax={chosen} />
        </Dialog>
      )}
    </>
  );
}
