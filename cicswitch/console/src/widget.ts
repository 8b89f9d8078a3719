// A button for pages of other sites: one calls from it, with sound, picture or a shared screen, and
// chats, beside a call as well.
//
//   <script src="https://switch.example.com/widget/widget.js" data-widget="sales"
//           data-name="Kim" data-context-order="4711" async></script>
//
// `data-context-…` goes with the call: to the dialplan, and to the agent. A page may also steer it:
// `document.querySelector("cicswitch-widget").call({ video: true, context: { order: "4711" } })`.

import JsSIP from "jssip";
import type { RTCSession } from "jssip/lib/RTCSession";
import type { UA } from "jssip/lib/UA";
import { mend } from "./mend";
import { Wire } from "./wire";
import style from "./widget.css?inline";
import { CallMe } from "./widget-callback";
import { Chat } from "./widget-chat";

/** What the widget is for. */
type About = { title: string; chat: boolean; call: boolean; video: boolean; callback: boolean };

type Visit = {
  guest: string;
  user: string;
  number: string;
  title: string;
  video: boolean;
  ice_servers: RTCIceServer[];
};
type Wishes = { video?: boolean; name?: string; context?: Record<string, string> };

const WORDS = {
  en: {
    title: "Talk to us",
    call: "Call",
    video: "Video call",
    connecting: "Connecting …",
    waiting: "You are being connected.",
    talking: "In the call",
    again: "The connection is made again …",
    ended: "The call has ended.",
    failed: "The call could not be made.",
    denied: "The microphone may not be used. Allow it beside the address of this page.",
    hang_up: "Hang up",
    mute: "Mute",
    camera: "Camera",
    screen: "Share screen",
    chat: "Chat",
    callback: "Call me back",
    close: "Close the chat",
    theirs: "Picture of the agent",
    own: "Own picture",
  },
  ko: {
    title: "상담하기",
    call: "전화 상담",
    video: "영상 상담",
    connecting: "연결하는 중 …",
    waiting: "상담원에게 연결하고 있습니다.",
    talking: "통화 중",
    again: "다시 연결하는 중 …",
    ended: "통화가 끝났습니다.",
    failed: "연결하지 못했습니다.",
    denied: "마이크를 사용할 수 없습니다. 주소창 옆에서 허용해 주세요.",
    hang_up: "끊기",
    mute: "음소거",
    camera: "카메라",
    screen: "화면 공유",
    chat: "채팅 상담",
    callback: "전화 요청",
    close: "채팅 접기",
    theirs: "상담원 화면",
    own: "내 화면",
  },
};
type Word = keyof (typeof WORDS)["en"];

const script = document.currentScript as HTMLScriptElement | null;
const base = new URL(script?.src ?? location.href).origin;
const said = script?.dataset ?? {};
const language = (said.language ?? document.documentElement.lang ?? "").startsWith("ko") ? "ko" : "en";
const word = (name: Word): string => WORDS[language][name];

/** `data-context-order-number` is `order_number`. */
function contextOf(data: DOMStringMap): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(data)) {
    if (!key.startsWith("context") || key === "context" || !value) continue;
    const name = key.slice(7).replace(/[A-Z]/g, (big) => `_${big.toLowerCase()}`);
    const plain = name.replace(/^_/, "");
    if (/^[a-z][a-z0-9_]{0,31}$/.test(plain)) found[plain] = value.slice(0, 200);
  }
  return found;
}

class CicswitchWidget extends HTMLElement {
  private readonly root = this.attachShadow({ mode: "open" });
  private agent: UA | null = null;
  private wire: Wire | null = null;
  private session: RTCSession | null = null;
  private screen: MediaStreamTrack | null = null;
  private video = false;
  private about: About | null = null;
  private text: Chat | null = null;
  private callMe: CallMe | null = null;
  private line: Button[] = [];

  connectedCallback(): void {
    this.root.innerHTML = `<style>${style}</style>
      <div class="box" role="region">
        <p class="state" role="status"></p>
        <div class="pictures" hidden>
          <video class="theirs" autoplay playsinline></video>
          <video class="own" autoplay playsinline muted></video>
        </div>
        <section class="chat" hidden></section>
        <section class="call-me" hidden></section>
        <div class="buttons"></div>
      </div>`;
    this.box.hidden = true;
    this.piece(".box").setAttribute("aria-label", said.title ?? word("title"));
    this.piece(".theirs").setAttribute("aria-label", word("theirs"));
    this.piece(".own").setAttribute("aria-label", word("own"));
    this.idle("");
    void this.learn();
  }

  disconnectedCallback(): void {
    this.text?.stop();
  }

  /** Ask the switch what the widget is for; nothing is shown until it is known. */
  private async learn(wait_ms = 1000): Promise<void> {
    try {
      const answer = await fetch(`${base}/widget/${said.widget ?? ""}`);
      if (answer.ok) this.know((await answer.json()) as About);
      else if (answer.status >= 500 || answer.status === 429) throw new Error(String(answer.status));
    } catch {
      if (this.isConnected)
        window.setTimeout(() => void this.learn(Math.min(60_000, wait_ms * 2)), wait_ms);
    }
  }

  private know(about: About): void {
    this.about = about;
    this.box.hidden = false;
    this.box.setAttribute("aria-label", said.title ?? (about.title || word("title")));
    if (about.chat) {
      const context = Object.fromEntries(Object.entries(contextOf(said)).slice(0, 20));
      this.text = new Chat(
        `${base.replace(/^http/, "ws")}/widget/${said.widget ?? ""}/chat`,
        language,
        { name: (said.name ?? "").slice(0, 80), language, context },
        this.piece(".chat"),
        () => this.chatChanged(),
      );
    }
    if (about.callback)
      this.callMe = new CallMe(
        `${base}/widget/${said.widget ?? ""}/callback`,
        language,
        (said.name ?? "").slice(0, 80),
        this.piece(".call-me"),
        (text) => this.asked(text),
      );
    if (this.session || this.agent) this.redraw();
    else this.idle("");
    if (this.text?.begun) this.text.open();
  }

  /** The form is closed; he will be called, or has thought better of it. */
  private asked(text: string): void {
    this.piece(".state").textContent = text;
    if (text) this.dispatchEvent(new CustomEvent("cicswitch", { detail: { callback: "promised" } }));
    this.redraw();
    this.piece<HTMLElement>(".buttons [data-word=callback]")?.focus();
  }

  /** Open the chat. */
  chat(): void {
    this.text?.open();
    this.redraw();
    this.piece<HTMLElement>(".chat textarea")?.focus();
  }

  private shownChat = "";

  private chatChanged(): void {
    const text = this.text;
    if (!text) return;
    if (this.dataset.chat !== text.state) {
      this.dataset.chat = text.state;
      this.dispatchEvent(new CustomEvent("cicswitch", { detail: { chat: text.state } }));
    }
    const shown = `${this.piece(".chat").hidden} ${text.unread}`;
    if (shown === this.shownChat) return;
    this.shownChat = shown;
    this.redraw();
  }

  private get box(): HTMLElement {
    return this.piece(".box");
  }

  /** Call the widget's number. */
  async call(wishes: Wishes = {}): Promise<void> {
    if (this.session || this.agent) return;
    this.say("connecting");
    this.buttons(["hang_up", () => this.hangUp()]);
    try {
      const answer = await fetch(`${base}/widget/${said.widget ?? ""}/session`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({
          name: wishes.name ?? said.name ?? "",
          context: { ...contextOf(said), ...wishes.context },
          chat: this.text?.key ?? "",
        }),
      });
      if (!answer.ok) throw new Error(String(answer.status));
      this.dial((await answer.json()) as Visit, wishes.video ?? false);
    } catch {
      this.idle("failed");
    }
  }

  hangUp(): void {
    if (this.session) this.session.terminate();
    else this.over("ended");
  }

  /** Show oneself, or no more. What was a call by sound is one by picture from then on. */
  async camera(): Promise<void> {
    const connection = this.session?.connection;
    if (!connection) return;
    const sender = connection.getSenders().find((each) => each.track?.kind === "video");
    if (sender?.track) {
      sender.track.enabled = !sender.track.enabled;
      this.talking();
      return;
    }
    await this.show(() => navigator.mediaDevices.getUserMedia({ video: true }));
  }

  /** Show the screen in the place of the camera, until one stops it. */
  async share(): Promise<void> {
    if (this.screen) {
      this.screen.stop();
      await this.unshare();
      return;
    }
    await this.show(() => navigator.mediaDevices.getDisplayMedia({ video: true }), true);
  }

  private async show(ask: () => Promise<MediaStream>, screen = false): Promise<void> {
    const session = this.session;
    const connection = session?.connection;
    if (!session || !connection) return;
    let stream: MediaStream;
    try {
      stream = await ask();
    } catch {
      return; // one has thought better of it
    }
    const track = stream.getVideoTracks()[0];
    if (!track) return;
    if (screen) {
      this.screen = track;
      track.addEventListener("ended", () => void this.unshare());
    }
    const sender = connection.getSenders().find((each) => each.track?.kind === "video");
    if (sender) await sender.replaceTrack(track);
    else {
      connection.addTrack(track, stream);
      session.renegotiate();
    }
    this.own(track);
    this.talking();
  }

  private async unshare(): Promise<void> {
    this.screen = null;
    const sender = this.session?.connection
      .getSenders()
      .find((each) => each.track?.kind === "video");
    if (!sender) return;
    try {
      const back = await navigator.mediaDevices.getUserMedia({ video: true });
      const track = back.getVideoTracks()[0] ?? null;
      await sender.replaceTrack(track);
      this.own(track);
    } catch {
      await sender.replaceTrack(null);
      this.own(null);
    }
    this.talking();
  }

  private dial(visit: Visit, video: boolean): void {
    this.video = visit.video;
    const where = `${base.replace(/^http/, "ws")}/sip?guest=${encodeURIComponent(visit.guest)}`;
    this.wire = new Wire(new JsSIP.WebSocketInterface(where));
    const agent = new JsSIP.UA({
      sockets: [this.wire],
      uri: `sip:${visit.user}@${new URL(base).hostname}`,
      register: false,
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 5,
    });
    this.agent = agent;
    agent.on("connected", () => {
      if (this.session || this.agent !== agent) return;
      const session = agent.call(`sip:${visit.number}@${new URL(base).hostname}`, {
        mediaConstraints: { audio: true, video: video && visit.video },
        pcConfig: { bundlePolicy: "max-bundle", iceServers: visit.ice_servers },
      });
      this.take(session);
    });
    let tries = 0;
    agent.on("disconnected", () => {
      if (this.session) this.say("again");
      else if (++tries > 3) this.over("failed");
    });
    agent.start();
  }

  private take(session: RTCSession): void {
    this.session = session;
    this.say("waiting");
    const theirs = new MediaStream();
    const watch = (connection: RTCPeerConnection): void => {
      connection.addEventListener("track", (event) => {
        theirs.addTrack(event.track);
        const player = this.piece<HTMLVideoElement>(".theirs");
        player.srcObject = theirs;
        if (event.track.kind === "video")
          event.track.addEventListener("unmute", () => this.pictures());
      });
      if (this.wire) mend(session, connection, this.wire);
      connection.addEventListener("connectionstatechange", () => {
        if (connection.connectionState === "connected") this.say("talking");
        if (connection.connectionState === "disconnected") this.say("again");
      });
    };
    if (session.connection) watch(session.connection);
    else
      session.on("peerconnection", (event: { peerconnection: RTCPeerConnection }) =>
        watch(event.peerconnection),
      );
    // The switch learns from our checks where we are: there is no need to wait for all candidates.
    session.on("icecandidate", (event: { ready: () => void }) => event.ready());
    session.on("confirmed", () => {
      const sender = session.connection.getSenders().find((each) => each.track?.kind === "video");
      if (sender?.track) this.own(sender.track);
      this.talking();
    });
    session.on("ended", () => this.over("ended"));
    session.on("failed", (event: { cause?: string }) =>
      this.over(event.cause === "User Denied Media Access" ? "denied" : "failed"),
    );
  }

  private talking(): void {
    const sender = this.session?.connection
      ?.getSenders()
      .find((each) => each.track?.kind === "video");
    const muted = this.session?.isMuted().audio ?? false;
    const more: [Word, () => void, boolean?][] = this.video
      ? [
          ["camera", () => void this.camera(), Boolean(sender?.track?.enabled) && !this.screen],
          ["screen", () => void this.share(), this.screen !== null],
        ]
      : [];
    this.buttons(
      [
        "mute",
        () => {
          if (muted) this.session?.unmute({ audio: true });
          else this.session?.mute({ audio: true });
          this.talking();
        },
        muted,
      ],
      ...more,
      ["hang_up", () => this.hangUp()],
    );
  }

  private own(track: MediaStreamTrack | null): void {
    const player = this.piece<HTMLVideoElement>(".own");
    player.srcObject = track ? new MediaStream([track]) : null;
    this.pictures();
  }

  private pictures(): void {
    this.piece(".pictures").hidden = false;
  }

  private over(why: Word): void {
    const agent = this.agent;
    this.agent = this.session = null;
    this.screen?.stop();
    this.screen = null;
    agent?.stop();
    for (const name of [".theirs", ".own"]) this.piece<HTMLVideoElement>(name).srcObject = null;
    this.piece(".pictures").hidden = true;
    this.idle(why);
  }

  private idle(why: Word | ""): void {
    if (why) this.say(why);
    const list: Button[] = [];
    if (this.about?.call) list.push(["call", () => void this.call()]);
    if (this.about?.call && this.about.video && said.video !== "off")
      list.push(["video", () => void this.call({ video: true })]);
    if (this.about?.callback)
      list.push([
        "callback",
        () => {
          this.piece(".state").textContent = "";
          this.callMe?.open();
          this.redraw();
        },
      ]);
    this.buttons(...list);
    this.dispatchEvent(new CustomEvent("cicswitch", { detail: { state: why || "idle" } }));
  }

  private say(what: Word): void {
    this.piece(".state").textContent = word(what);
    this.dataset.state = what;
    this.dispatchEvent(new CustomEvent("cicswitch", { detail: { state: what } }));
  }

  private buttons(...list: Button[]): void {
    this.line = list;
    this.redraw();
  }

  /** The buttons of the call, and the chat's before them. */
  private redraw(): void {
    const list = this.callMe?.isOpen && !this.session && !this.agent ? [] : [...this.line];
    if (this.text && this.piece(".chat").hidden) list.unshift(["chat", () => this.chat()]);
    else if (this.text) list.push(["close", () => this.text?.close()]);
    const line = this.piece(".buttons");
    const focused = (this.root.activeElement as HTMLElement | null)?.dataset.word;
    line.replaceChildren(
      ...list.map(([name, press, pressed]) => {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.word = name;
        const unread = name === "chat" ? (this.text?.unread ?? 0) : 0;
        button.textContent = unread ? `${word(name)} (${unread})` : word(name);
        if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
        button.addEventListener("click", press);
        return button;
      }),
    );
    if (focused) line.querySelector<HTMLElement>(`[data-word="${focused}"]`)?.focus();
  }

  private piece<T extends HTMLElement = HTMLElement>(name: string): T {
    return this.root.querySelector(name) as T;
  }
}

type Button = [Word, () => void, boolean?];

customElements.define("cicswitch-widget", CicswitchWidget);
if (!document.querySelector("cicswitch-widget")) {
  const add = (): void => {
    document.body.append(document.createElement("cicswitch-widget"));
  };
  if (document.body) add();
  else document.addEventListener("DOMContentLoaded", add);
}
