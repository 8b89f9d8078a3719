// The widget's chat: its connection, what was said, and how it looks.
//
// The secret and what is not acknowledged are in the session's storage: a reload comes back to the
// same conversation, and says again under the same ids what the switch may not have.

import { Files, type Kept, type Shown } from "./widget-files";

type Said = {
  seq: number;
  author: string;
  name: string;
  text: string;
  at: number;
  files?: Shown[];
};
type Saying = { id: string; text: string; seq: number; failed: string; files?: Kept[] };
type Message =
  | { type: "welcome"; seq: number; state: string; name: string; position: number }
  | { type: "ack"; id: string; seq: number }
  | ({ type: "said" } & Said)
  | {
      type: "status";
      state: string;
      name: string;
      position: number;
      typing: boolean;
      read: number;
      reason: string;
    }
  | { type: "refused"; why: string; id: string; again: boolean };

export type Hello = { name: string; language: string; context: Record<string, string> };

const TYPE_EVERY_MS = 3000;
const TYPING_MS = 5000;
const ACK_MS = 8000;
const LONGEST_MS = 15_000;
const MOST_LINES = 1000;
const MOST_TEXT = 4000;

const CHAT_WORDS = {
  en: {
    write: "Your message",
    send: "Send",
    leave: "End the chat",
    messages: "Messages",
    connecting: "Connecting …",
    broken: "The connection is made again …",
    ready: "Write to us.",
    waiting: "You are being connected.",
    position: "You are number {n} in the line.",
    talking: "You are chatting with {name}.",
    ended: "The chat has ended. Write to go on.",
    types: "{name} is typing …",
    agent: "Agent",
    bot: "Bot",
    you: "You",
    sending: "being sent …",
    sent: "sent",
    read: "read",
    failed: "Not sent: {why}",
    again: "Send again",
  },
  ko: {
    write: "메시지",
    send: "보내기",
    leave: "채팅 끝내기",
    messages: "메시지",
    connecting: "연결하는 중 …",
    broken: "다시 연결하는 중 …",
    ready: "메시지를 남겨 주세요.",
    waiting: "상담원에게 연결하고 있습니다.",
    position: "대기 순서는 {n}번째입니다.",
    talking: "{name} 님과 채팅 중입니다.",
    ended: "채팅이 끝났습니다. 글을 쓰면 다시 이어집니다.",
    types: "{name} 님이 입력 중 …",
    agent: "상담원",
    bot: "봇",
    you: "나",
    sending: "보내는 중 …",
    sent: "보냄",
    read: "읽음",
    failed: "보내지 못함: {why}",
    again: "다시 보내기",
  },
};
type ChatWord = keyof (typeof CHAT_WORDS)["en"];

function hex(bytes: number): string {
  const made = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(made, (each) => each.toString(16).padStart(2, "0")).join("");
}

export class Chat {
  /** What was said by others since the panel was closed. */
  unread = 0;
  state = "";
  private readonly kept: string;
  private secret = "";
  private lines: Said[] = [];
  private saying: Saying[] = [];
  private name = "";
  private position = 0;
  private readTo = 0;
  private socket: WebSocket | null = null;
  private welcome = false;
  private wanted = false;
  private leaving = false;
  private wait_ms = 0;
  private again: number | undefined;
  private late: number | undefined;
  private typing: number | undefined;
  private typed = 0;
  private readonly files: Files;

  constructor(
    private readonly url: string,
    private readonly language: "en" | "ko",
    private readonly hello: Hello,
    private readonly box: HTMLElement,
    private readonly changed: () => void,
  ) {
    this.kept = `cicswitch.chat.${url}`;
    try {
      const found = JSON.parse(sessionStorage.getItem(this.kept) ?? "{}");
      this.secret = typeof found.secret === "string" ? found.secret : "";
      this.saying = (Array.isArray(found.saying) ? found.saying : []).map(
        (each: { id: string; text: string; files?: Kept[] }) => ({ ...each, seq: 0, failed: "" }),
      );
    } catch {
      // It is forbidden: the chat lasts as long as the page.
    }
    const where = `${url.replace(/^ws/, "http").replace(/chat$/, "files")}`;
    this.files = new Files(where, language, () => this.secret);
    this.build();
    window.addEventListener("online", () => this.wanted && this.connect());
    window.addEventListener("offline", () => this.broken());
  }

  /** The secret of what was said, for a call out of the chat; empty: nothing was. */
  get key(): string {
    return this.secret;
  }

  /** Whether there is a conversation from before a reload. */
  get begun(): boolean {
    return this.secret !== "";
  }

  open(): void {
    this.box.hidden = false;
    this.unread = 0;
    if (!this.wanted) {
      this.wanted = true;
      this.connect();
    }
    this.show();
    this.scroll();
  }

  close(): void {
    this.box.hidden = true;
    this.changed();
  }

  /** Forget the page: its element was taken away. */
  stop(): void {
    this.wanted = false;
    this.broken();
  }

  private word(name: ChatWord, values: Record<string, string | number> = {}): string {
    const text: string = CHAT_WORDS[this.language][name];
    return text.replace(/{(\w+)}/g, (whole, key: string) => String(values[key] ?? whole));
  }

  private keep(): void {
    try {
      const saying = this.saying.filter((each) => !each.seq && !each.failed);
      const left = saying.map(({ id, text, files }) => ({ id, text, files }));
      sessionStorage.setItem(this.kept, JSON.stringify({ secret: this.secret, saying: left }));
    } catch {
      // As above.
    }
  }

  // -- the connection ----------------------------------------------------------------------------

  private connect(): void {
    window.clearTimeout(this.again);
    if (this.socket) return;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.watch();
    socket.onopen = () => {
      if (!this.secret) this.secret = hex(16);
      this.tell({
        ...{ type: "hello", secret: this.secret, after: this.lines.at(-1)?.seq ?? 0 },
        ...this.hello,
      });
    };
    socket.onmessage = (event) => {
      if (socket === this.socket) this.take(JSON.parse(event.data as string) as Message);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.broken();
    };
    this.show();
  }

  /** Nothing came back in time: the connection is dead, whatever the browser thinks. */
  private watch(): void {
    window.clearTimeout(this.late);
    this.late = window.setTimeout(() => this.broken(), ACK_MS);
  }

  private broken(): void {
    window.clearTimeout(this.late);
    window.clearTimeout(this.again);
    const old = this.socket;
    this.socket = null;
    this.welcome = false;
    this.types(false);
    old?.close();
    if (!this.wanted) return;
    this.wait_ms = Math.min(LONGEST_MS, this.wait_ms ? this.wait_ms * 2 : 500);
    this.again = window.setTimeout(
      () => this.connect(),
      this.wait_ms * (0.5 + Math.random() / 2),
    );
    this.show();
  }

  private tell(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private take(message: Message): void {
    switch (message.type) {
      case "welcome":
        window.clearTimeout(this.late);
        this.wait_ms = 0;
        this.welcome = true;
        this.be(message.state, message.name, message.position);
        for (const each of this.saying) if (!each.seq && !each.failed) this.sayOne(each);
        if (this.leaving) this.leave();
        break;
      case "ack": {
        const said = this.saying.find((each) => each.id === message.id);
        if (said) said.seq = message.seq;
        if (!this.saying.some((each) => !each.seq && !each.failed))
          window.clearTimeout(this.late);
        this.settle();
        break;
      }
      case "said":
        if (this.lines.some((each) => each.seq === message.seq)) break;
        this.lines.push(message);
        this.lines = this.lines.sort((a, b) => a.seq - b.seq).slice(-MOST_LINES);
        if (message.author !== "customer") {
          this.types(false);
          if (this.box.hidden) this.unread++;
        }
        this.settle();
        break;
      case "status":
        if (message.typing) this.types(true);
        this.readTo = Math.max(this.readTo, message.read);
        if (message.state) this.be(message.state, message.name, message.position);
        break;
      case "refused": {
        const said = this.saying.find((each) => each.id === message.id);
        if (!said) break;
        if (message.again) window.setTimeout(() => this.sayOne(said), 2000);
        else said.failed = message.why;
        this.keep();
      }
    }
    this.show();
  }

  /** What was acknowledged is shown where it came to stand. */
  private settle(): void {
    const there = new Set(this.lines.map((each) => each.seq));
    this.saying = this.saying.filter((each) => !each.seq || !there.has(each.seq));
    this.keep();
  }

  private be(state: string, name: string, position: number): void {
    this.state = state;
    this.name = name || (state === "talking" ? this.name : "");
    this.position = position;
    if (state === "ended") this.types(false);
    this.changed();
  }

  private sayOne(said: Saying): void {
    if (!this.welcome || said.seq) return;
    const files = (said.files ?? []).map((each) => each.digest);
    this.tell({ type: "say", id: said.id, text: said.text, ...(files.length && { files }) });
    this.watch();
  }

  private say(text: string): void {
    const said = { id: hex(8), text, seq: 0, failed: "", files: this.files.taken() };
    this.saying.push(said);
    this.leaving = false;
    this.typed = 0;
    this.keep();
    this.sayOne(said);
    this.show();
    this.scroll();
  }

  private leave(): void {
    this.leaving = !this.welcome;
    this.tell({ type: "leave" });
  }

  private types(on: boolean): void {
    window.clearTimeout(this.typing);
    this.typing = on
      ? window.setTimeout(() => {
          this.types(false);
          this.show();
        }, TYPING_MS)
      : undefined;
  }

  // -- how it looks ------------------------------------------------------------------------------

  private build(): void {
    // Fixed words only; what anybody says is put in as text.
    this.box.innerHTML = `<p class="status" role="status"></p>
      <div class="lines" role="log" tabindex="0"><ol class="past"></ol><ol class="coming"></ol></div>
      <p class="types"></p>
      <form><textarea rows="2" maxlength="${MOST_TEXT}"></textarea><div class="going"></div>
      <div class="row"><button class="send"></button>
      <button type="button" class="leave"></button></div></form>`;
    this.piece(".lines").setAttribute("aria-label", this.word("messages"));
    this.piece(".send").textContent = this.word("send");
    this.piece(".leave").textContent = this.word("leave");
    this.piece(".leave").addEventListener("click", () => this.leave());
    this.files.build(this.piece(".going"), this.piece(".send"));
    const text = this.piece<HTMLTextAreaElement>("textarea");
    text.setAttribute("aria-label", this.word("write"));
    text.placeholder = this.word("write");
    const send = (): void => {
      const said = text.value.trim();
      if (!this.files.ready || !(said || this.files.some)) return;
      text.value = "";
      this.say(said);
    };
    this.piece("form").addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    text.addEventListener("keydown", (event) => {
      // Enter also ends the composition of a Korean syllable.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
    text.addEventListener("input", () => {
      const now = Date.now();
      if (!text.value || now - this.typed < TYPE_EVERY_MS) return;
      this.typed = now;
      this.tell({ type: "typing" });
    });
  }

  private status(): string {
    if (!this.socket || !this.welcome) return this.word(this.lines.length ? "broken" : "connecting");
    if (this.state === "talking") return this.word("talking", { name: this.name });
    if (this.state === "ended") return this.word("ended");
    if (this.state !== "waiting") return this.word("ready");
    const place = this.position ? ` ${this.word("position", { n: this.position })}` : "";
    return this.word("waiting") + place;
  }

  private show(): void {
    const status = this.status();
    const line = this.piece(".status");
    if (line.textContent !== status) line.textContent = status;
    const live = this.state === "waiting" || this.state === "talking";
    this.piece(".leave").hidden = !live;
    this.files.show(live && this.welcome);
    this.box.classList.toggle("old", this.wanted && !this.welcome);
    const types = this.typing === undefined ? "" : this.word("types", { name: this.name });
    this.piece(".types").textContent = types;
    const lines = this.piece(".lines");
    const below = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    const past = this.piece(".past");
    const lastOwn = this.lines.filter((each) => each.author === "customer").at(-1)?.seq;
    // What stands stays: a screen reader hears what is added, once.
    const have = new Map(
      Array.from(past.children, (each) => [Number((each as HTMLElement).dataset.seq), each]),
    );
    this.lines.forEach((each, at) => {
      let item = have.get(each.seq) as HTMLElement | undefined;
      if (!item) {
        item = this.item(each.author, this.by(each), each.text, each.at);
        if (each.files?.length) item.insertBefore(this.files.list(each.files), item.lastChild);
        item.dataset.seq = String(each.seq);
        past.insertBefore(item, past.children[at] ?? null);
      }
      const mark = item.querySelector(".mark") as HTMLElement;
      const shown = each.seq !== lastOwn ? "" : this.word(each.seq <= this.readTo ? "read" : "sent");
      if (mark.textContent !== shown) mark.textContent = shown;
    });
    this.piece(".coming").replaceChildren(
      ...this.saying.map((each) => {
        const names = (each.files ?? []).map((file) => file.name).join(", ");
        const text = [each.text, names].filter(Boolean).join("\n");
        const item = this.item("customer", this.word("you"), text, 0);
        const mark = item.querySelector(".mark") as HTMLElement;
        mark.textContent = each.failed
          ? this.word("failed", { why: each.failed })
          : this.word("sending");
        if (each.failed) {
          const again = document.createElement("button");
          again.type = "button";
          again.textContent = this.word("again");
          again.addEventListener("click", () => {
            each.failed = "";
            this.keep();
            this.sayOne(each);
            this.show();
          });
          item.append(again);
        }
        return item;
      }),
    );
    if (below) this.scroll();
    this.changed();
  }

  private by(said: Said): string {
    if (said.author === "customer") return this.word("you");
    if (said.author === "bot") return this.word("bot");
    return said.name || (said.author === "agent" ? this.word("agent") : "");
  }

  private item(author: string, by: string, text: string, at: number): HTMLElement {
    const item = document.createElement("li");
    item.className = author;
    const [head, body, mark] = ["small", "div", "small"].map((tag) => document.createElement(tag));
    const locale = this.language === "ko" ? "ko-KR" : "en-GB";
    const options = { hour: "2-digit", minute: "2-digit", hour12: false } as const;
    const time = at ? new Date(at * 1000).toLocaleTimeString(locale, options) : "";
    (head as HTMLElement).textContent = `${by} ${time}`.trim();
    (body as HTMLElement).textContent = text;
    (body as HTMLElement).className = "text";
    (mark as HTMLElement).className = "mark";
    item.append(head as Node, body as Node, mark as Node);
    return item;
  }

  private scroll(): void {
    const lines = this.piece(".lines");
    lines.scrollTop = lines.scrollHeight;
  }

  private piece<T extends HTMLElement = HTMLElement>(name: string): T {
    return this.box.querySelector(name) as T;
  }
}
