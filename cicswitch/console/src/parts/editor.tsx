// A text with the numbers of its lines beside it; lines with a mistake are marked there.

import { useEffect, useRef } from "preact/hooks";

/** `go`: a line to go to, anew with each object. Tab leaves the text, as it does any field. */
export function Editor(props: {
  id: string;
  text: string;
  marked: Set<number>;
  go: { line: number } | null;
  readOnly?: boolean;
  describedBy: string;
  onInput: (text: string) => void;
}) {
  const area = useRef<HTMLTextAreaElement>(null);
  const numbers = useRef<HTMLPreElement>(null);
  const lines = props.text.split("\n");
  const follow = () => {
    if (area.current && numbers.current) numbers.current.scrollTop = area.current.scrollTop;
  };
  useEffect(follow);
  useEffect(() => {
    const field = area.current;
    if (!props.go || !field) return;
    const before = lines.slice(0, props.go.line - 1);
    const start = before.reduce((sum, each) => sum + each.length + 1, 0);
    const line = lines[props.go.line - 1] ?? "";
    field.focus();
    field.setSelectionRange(start, start + line.length);
    const height = field.scrollHeight / Math.max(1, lines.length);
    field.scrollTop = Math.max(0, (props.go.line - 4) * height);
    follow();
  }, [props.go]);
  return (
    <div class="editor">
      <pre ref={numbers} aria-hidden="true">
        {lines.map((_, index) => (
          <span key={index} class={props.marked.has(index + 1) ? "marked" : ""}>
            {index + 1}
            {"\n"}
          </span>
        ))}
      </pre>
      <textarea
        ref={area}
        id={props.id}
        wrap="off"
        rows={24}
        spellcheck={false}
        autoCapitalize="off"
        autoComplete="off"
        readOnly={props.readOnly}
        aria-describedby={props.describedBy}
        aria-invalid={props.marked.size > 0}
        value={props.text}
        onScroll={follow}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
    </div>
  );
}
