// SIP over WebSocket that is known to be alive: a browser whose network has changed does not notice
// that its connection leads nowhere any more. Keep-alives of RFC 5626, section 4.4.1.

import type { Socket } from "jssip/lib/Socket";

const EVERY_MS = 10_000;
const PATIENCE_MS = 3000;
const PING = "\r\n\r\n";

/** What JsSIP takes for a socket: another one, which is given up where it does not answer. */
export class Wire {
  onconnect = (): void => undefined;
  ondisconnect = (_error: boolean, _code?: number, _reason?: string): void => undefined;
  ondata = (_data: unknown): void => undefined;
  /** What is to be done when there is a connection again. */
  readonly onagain = new Set<() => void>();
  private beat: number | undefined;
  private limit: number | undefined;
  private waiting: (() => void)[] = [];
  private readonly changed = (): void => this.ping();
  private readonly network = (navigator as { connection?: EventTarget }).connection;

  constructor(private readonly inner: Socket) {
    inner.onconnect = () => {
      this.beat = window.setInterval(() => this.ping(), EVERY_MS);
      window.addEventListener("online", this.changed);
      this.network?.addEventListener("change", this.changed);
      this.onconnect();
      this.answered();
      for (const each of this.onagain) each();
    };
    inner.ondata = (data: unknown) => {
      this.answered();
      this.ondata(data);
    };
    inner.ondisconnect = (error: boolean, code?: number, reason?: string) => {
      this.quiet();
      this.ondisconnect(error, code, reason);
    };
  }

  get url(): string {
    return this.inner.url;
  }
  get sip_uri(): string {
    return this.inner.sip_uri;
  }
  get via_transport(): string {
    return this.inner.via_transport;
  }
  set via_transport(value: string) {
    this.inner.via_transport = value;
  }

  connect(): void {
    this.inner.connect();
  }
  disconnect(): void {
    this.quiet();
    this.inner.disconnect();
  }
  send(message: string): boolean {
    return this.inner.send(message);
  }
  isConnected(): boolean {
    return this.inner.isConnected();
  }
  isConnecting(): boolean {
    return this.inner.isConnecting();
  }

  /** When the switch has answered by this connection, or by the next one. */
  alive(): Promise<void> {
    return new Promise((done) => {
      this.waiting.push(done);
      this.ping();
    });
  }

  private ping(): void {
    if (this.limit !== undefined || !this.inner.isConnected()) return;
    this.inner.send(PING);
    this.limit = window.setTimeout(() => {
      this.quiet();
      this.inner.disconnect();
      this.ondisconnect(true, 1006, "no answer");
    }, PATIENCE_MS);
  }

  private answered(): void {
    window.clearTimeout(this.limit);
    this.limit = undefined;
    for (const done of this.waiting.splice(0)) done();
  }

  private quiet(): void {
    window.clearInterval(this.beat);
    window.clearTimeout(this.limit);
    this.limit = undefined;
    window.removeEventListener("online", this.changed);
    this.network?.removeEventListener("change", this.changed);
  }
}
