// Small parts that pages are made of.

import { signal } from "@preact/signals";
import type {
  ComponentChildren,
  InputHTMLAttributes,
  JSX,
  RefCallback,
  TargetedEvent,
} from "preact";
import { useCallback, useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../api";
import { t } from "../i18n";

// -- what happened -----------------------------------------------------------------------------

type Told = { id: number; text: string; details: string[]; bad: boolean };
const told = signal<Told[]>([]);
let number = 0;

function add(text: string, bad: boolean, details: string[] = [], stays = false): void {
  const id = ++number;
  told.value = [...told.value.slice(-3), { id, text, details, bad }];
  if (!stays) window.setTimeout(() => forget(id), bad ? 12_000 : 4_000);
}

const forget = (id: number): void => {
  told.value = told.value.filter((each) => each.id !== id);
};

export const tell = (text: string): void => add(text, false);

/** What somebody else says: it stays until it is closed. */
export const tellFrom = (text: string): void => add(text, false, [], true);

export function tellError(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
  const details = error.errors.map((each) =>
    [each.pointer || each.parameter, each.detail || `${t("expected")}: ${each.expected}`]
      .filter(Boolean)
      .join(" "),
  );
  add(error.message || (error.status ? t("failed") : t("no_answer")), true, details);
}

/** Do something and tell if it fails; whether it was done. */
export async function attempt(work: () => Promise<unknown>, said = ""): Promise<boolean> {
  try {
    await work();
  } catch (error) {
    tellError(error);
    return false;
  }
  if (said) tell(said);
  return true;
}

export function Told(): JSX.Element {
  return (
    <div class="told" role="status" aria-live="polite">
      {told.value.map((each) => (
        <div key={each.id} class={each.bad ? "note bad" : "note"}>
          <div>
            {each.text}
            {each.details.map((line) => (
              <div class="detail">{line}</div>
            ))}
          </div>
          <button class="plain" aria-label={t("close")} onClick={() => forget(each.id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}

// -- dialogs -----------------------------------------------------------------------------------

export function Dialog(props: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={box}
      class={props.wide ? "wide" : ""}
      aria-labelledby={title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
    >
      <header>
        <h2 id={title}>{props.title}</h2>
        <button class="plain" aria-label={t("close")} onClick={props.onClose}>
          ×
        </button>
      </header>
      {props.children}
    </dialog>
  );
}

/** A dialog with fields and a button that does it. Stays open if it fails. */
export function Form(props: {
  title: string;
  action: string;
  onClose: () => void;
  onDone: (data: FormData) => Promise<unknown>;
  children?: ComponentChildren;
  danger?: boolean;
}): JSX.Element {
  const [busy, setBusy] = useState(false);
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form
        onSubmit={async (event) => {
          event.preventDefault();
          const data = new FormData(event.currentTarget);
          setBusy(true);
          const done = await attempt(() => props.onDone(data));
          setBusy(false);
          if (done) props.onClose();
        }}
      >
        {props.children}
        <footer>
          <button type="button" onClick={props.onClose}>
            {t("cancel")}
          </button>
          <button class={props.danger ? "danger" : "primary"} disabled={busy}>
            {props.action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function Field(
  props: { label: string; hint?: string } & InputHTMLAttributes<HTMLInputElement>,
): JSX.Element {
  const { label, hint, ...rest } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} aria-describedby={hint ? `${id}-hint` : undefined} {...rest} />
      {hint && (
        <small id={`${id}-hint`} class="quiet">
          {hint}
        </small>
      )}
    </div>
  );
}

export function Choice(props: {
  label: string;
  options: [value: string, text: string][];
  chosen?: string;
  name?: string;
  required?: boolean;
  onChange?: (event: TargetedEvent<HTMLSelectElement>) => void;
}): JSX.Element {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <select id={id} name={props.name} required={props.required} onChange={props.onChange}>
        {props.options.map(([value, text]) => (
          <option key={value} value={value} selected={value === props.chosen}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

// -- tables ------------------------------------------------------------------------------------

export type Column<T> = {
  head: string;
  hint?: string;
  cell: (item: T) => ComponentChildren;
  /** What the column is sorted by; columns without it are not sorted. */
  by?: (item: T) => number | string | null | undefined;
  numeric?: boolean;
  class?: (item: T) => string;
};

/** Whether what is in an element is wider than it: then the keyboard has to be able to scroll it. */
function useWide(): [RefCallback<HTMLDivElement>, boolean] {
  const [wide, setWide] = useState(false);
  const observer = useRef<ResizeObserver | null>(null);
  const box = useCallback((element: HTMLDivElement | null) => {
    observer.current?.disconnect();
    if (!element) return;
    const look = () => setWide(element.scrollWidth > element.clientWidth);
    observer.current = new ResizeObserver(look);
    observer.current.observe(element);
    if (element.firstElementChild) observer.current.observe(element.firstElementChild);
  }, []);
  return [box, wide];
}

const named = (wide: boolean, label: string) =>
  wide ? ({ role: "region", "aria-label": label } as const) : {};

export function Table<T>(props: {
  label: string;
  items: T[];
  columns: Column<T>[];
  id: (item: T) => string;
  empty: string;
  first?: number;
}): JSX.Element {
  const [sorted, setSorted] = useState({ column: props.first ?? -1, down: false });
  const [box, wide] = useWide();
  const by = props.columns[sorted.column]?.by;
  const items = by ? [...props.items].sort((a, b) => compare(by(a), by(b))) : props.items;
  if (by && sorted.down) items.reverse();
  if (!items.length) return <p class="quiet">{props.empty}</p>;
  return (
    <div class="table" ref={box} tabIndex={wide ? 0 : undefined} {...named(wide, props.label)}>
      <table aria-label={props.label}>
        <thead>
          <tr>
            {props.columns.map((column, index) => (
              <th
                key={index}
                class={column.numeric ? "number" : ""}
                title={column.hint}
                aria-sort={
                  sorted.column !== index ? undefined : sorted.down ? "descending" : "ascending"
                }
              >
                {column.by ? (
                  <button
                    class="plain"
                    onClick={() =>
                      setSorted({
                        column: index,
                        down: sorted.column === index ? !sorted.down : Boolean(column.numeric),
                      })
                    }
                  >
                    {column.head}
                    <span aria-hidden="true">
                      {sorted.column !== index ? "" : sorted.down ? " ▾" : " ▴"}
                    </span>
                  </button>
                ) : (
                  column.head
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={props.id(item)}>
              {props.columns.map((column, index) => (
                <td
                  key={index}
                  class={`${column.numeric ? "number " : ""}${column.class?.(item) ?? ""}`}
                >
                  {column.cell(item)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b));
  return (a as number) - (b as number);
}

/** A state as a word in a colour; the word alone says it too. */
export function State(props: { state: string; text: string }): JSX.Element {
  return <span class={`state ${props.state}`}>{props.text}</span>;
}

export function Tile(props: { label: string; value: string; class?: string }): JSX.Element {
  return (
    <div class={`tile ${props.class ?? ""}`}>
      <div class="label">{props.label}</div>
      <div class="value">{props.value}</div>
    </div>
  );
}
