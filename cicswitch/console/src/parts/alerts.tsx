// Alerts that the switch has raised: a bar on every page of who may see them.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { list, may, post } from "../api";
import { count, percent, span } from "../format";
import { t, type Word } from "../i18n";
import { attempt } from "./basics";
import { useLive } from "./data";
import { link } from "../router";
import type { AlertView } from "../types";

/** All that the switch tells of, open ones first; null until they are read. */
export const alerts = signal<AlertView[] | null>(null);

export const open = (): AlertView[] =>
  (alerts.value ?? []).filter((each) => each.ended_at === null);

/** A figure's value with its unit. */
export function shown(alert: AlertView, value: number): string {
  if (alert.figure.endsWith("_s")) return span(value);
  if (alert.figure.startsWith("service_level") || alert.figure === "abandonment")
    return percent(value);
  return count(value);
}

export const figureOf = (alert: AlertView): string => t(`figure_${alert.figure}` as Word);

export const severityOf = (alert: AlertView): string => t(`severity_${alert.severity}` as Word);

export const inWords = (alert: AlertView): string =>
  [alert.subject, figureOf(alert), shown(alert, alert.value)].filter(Boolean).join(" ");

export const acknowledge = (alert: AlertView): Promise<boolean> =>
  attempt(async () => {
    await post(`/alerts/${alert.alert}/acknowledge`);
    alerts.value = await list<AlertView>("/alerts");
  });

export function AlertBar() {
  const { value } = useLive(
    () => list<AlertView>("/alerts"),
    (event) => event.type.startsWith("Alert"),
  );
  useEffect(() => {
    if (value) alerts.value = value;
  }, [value]);
  const found = open();
  const left = found.filter((each) => !each.acknowledged_by);
  const [first] = left.length ? left : found;
  return (
    <div aria-live="polite" class={left.length ? "alert-bar some" : "alert-bar"}>
      {first && (
        <>
          <a href={link("alerts")}>{t("alerts_open", { count: found.length })}</a>{" "}
          <strong>{severityOf(first)}:</strong> {inWords(first)}{" "}
          {first.acknowledged_by
            ? t("looked_after", { name: first.acknowledged_by })
            : may("alerts:write") && (
                <button type="button" onClick={() => void acknowledge(first)}>
                  {t("acknowledge")}
                </button>
              )}
        </>
      )}
    </div>
  );
}
