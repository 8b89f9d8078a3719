// The browser as the agent's phone: SIP over WebSocket to the switch, audio and video by WebRTC.
//
// The session's cookie is the password. What is known of the phone is in `phone`, a signal; what one
// does with it are the functions below. JsSIP is loaded with the first use, not with the page.

import { signal } from "@preact/signals";
import type { RTCSession } from "jssip/lib/RTCSession";
import type { UA } from "jssip/lib/UA";
import { get } from "./api";
import { mend } from "./mend";
import { Wire } from "./wire";
import type { PhoneSettings } from "./types";

export type Call = {
  id: string;
  number: string;
  name: string;
  state: "ringing" | "calling" | "talking" | "ended";
  since: number;
  held: boolean;
  muted: boolean;
  /** What the far end shows, and what one shows oneself. */
  theirs: MediaStream | null;
  own: MediaStream | null;
  video: boolean;
};

export type Phone = {
  /** `off`: this browser is no phone; `broken`: it is, but the switch is not reached. */
  state: "off" | "starting" | "ready" | "broken" | "refused";
  why: string;
  calls: Call[];
};

export const phone = signal<Phone>({ state: "off", why: "", calls: [] });
/** Loudness of both sides from 0 to 1, of the call in hand. */
export const levels = signal<{ own: number; theirs: number }>({ own: 0, theirs: 0 });
export const devices = signal<MediaDeviceInfo[]>([]);

const KEPT = "cicswitch.softphone";
const CHOSEN = "cicswitch.softphone.devices";
type Chosen = { microphone?: string; speaker?: string; camera?: string };

let agent: UA | null = null;
let wire: Wire | null = null;
let settings: PhoneSettings | null = null;
const sessions = new Map<string, RTCSession>();
let meters: number | undefined;
let sound: AudioContext | null = null;

export const wanted = (): boolean => localStorage.getItem(KEPT) === "on";
export const chosen = (): Chosen => JSON.parse(localStorage.getItem(CHOSEN) ?? "{}") as Chosen;

export function choose(more: Chosen): void {
  localStorage.setItem(CHOSEN, JSON.stringify({ ...chosen(), ...more }));
  const at = chosen();
  for (const player of document.querySelectorAll<HTMLMediaElement>("[data-call]")) speak(player, at);
}

/** Let what plays come out of the chosen device, where browsers can do that. */
export function speak(player: HTMLMediaElement, at = chosen()): void {
  const able = player as HTMLMediaElement & { setSinkId?: (id: string) => Promise<void> };
  if (at.speaker && able.setSinkId) void able.setSinkId(at.speaker).catch(() => undefined);
}

export async function start(): Promise<void> {
  localStorage.setItem(KEPT, "on");
  if (agent) return;
  change({ state: "starting", why: "" });
  try {
    settings = await get<PhoneSettings>("/phone");
    const { default: JsSIP } = await import("jssip");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const where = `${scheme}://${location.host}${settings.path}`;
    wire = new Wire(new JsSIP.WebSocketInterface(where));
    const made = new JsSIP.UA({
      sockets: [wire],
      uri: `sip:${settings.device}@${location.hostname}`,
      register: true,
      register_expires: 120,
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 10,
      user_agent: "cicswitch console",
    });
    agent = made;
    made.on("registered", () => change({ state: "ready", why: "" }));
    made.on("unregistered", () => agent === made && change({ state: "broken", why: "" }));
    made.on("registrationFailed", (event: { cause?: string }) =>
      change({ state: "refused", why: event.cause ?? "" }),
    );
    made.on("disconnected", () => agent === made && change({ state: "broken", why: "" }));
    made.on("newRTCSession", (event: { session: RTCSession; originator: string }) =>
      take(event.session, event.originator === "local"),
    );
    made.start();
    await findDevices();
  } catch (error) {
    agent = null;
    change({ state: "refused", why: error instanceof Error ? error.message : "" });
  }
}

export function stop(): void {
  localStorage.removeItem(KEPT);
  leave();
}

/** End it for now, because nobody is signed in any more; the wish is kept. */
export function leave(): void {
  const old = agent;
  agent = null;
  for (const session of sessions.values()) session.terminate();
  old?.stop();
  change({ state: "off", why: "", calls: [] });
}

async function findDevices(): Promise<void> {
  const found = await navigator.mediaDevices?.enumerateDevices().catch(() => []);
  devices.value = (found ?? []).filter((each) => each.deviceId);
}
navigator.mediaDevices?.addEventListener("devicechange", () => void findDevices());

// -- calls -------------------------------------------------------------------------------------

const options = (video: boolean) => {
  const at = chosen();
  return {
    mediaConstraints: {
      audio: at.microphone ? { deviceId: { ideal: at.microphone } } : true,
      video: video ? (at.camera ? { deviceId: { ideal: at.camera } } : true) : false,
    },
    pcConfig: {
      bundlePolicy: "max-bundle" as const,
      iceServers: (settings?.ice_servers ?? []).map((each) => ({ ...each })),
    },
  };
};

export function call(number: string, video = false): void {
  if (!agent || !number) return;
  agent.call(`sip:${encodeURIComponent(number)}@${location.hostname}`, options(video));
}

export const answer = (id: string, video = false): void => {
  sessions.get(id)?.answer(options(video));
};
export const hangUp = (id: string): void => {
  sessions.get(id)?.terminate();
};
export const digit = (id: string, key: string): void => {
  sessions.get(id)?.sendDTMF(key, { transportType: "RFC2833" as never });
};
export const transfer = (id: string, number: string): void => {
  sessions.get(id)?.refer(`sip:${encodeURIComponent(number)}@${location.hostname}`);
};

export function hold(id: string): void {
  const session = sessions.get(id);
  if (!session) return;
  if (session.isOnHold().local) session.unhold();
  else session.hold();
}

export function mute(id: string): void {
  const session = sessions.get(id);
  if (!session) return;
  if (session.isMuted().audio) session.unmute({ audio: true });
  else session.mute({ audio: true });
}

function take(session: RTCSession, ours: boolean): void {
  const id = session.id;
  sessions.set(id, session);
  const far = session.remote_identity;
  add({
    id,
    number: far.uri.user ?? "",
    name: far.display_name ?? "",
    state: ours ? "calling" : "ringing",
    since: Date.now(),
    held: false,
    muted: false,
    theirs: null,
    own: null,
    video: false,
  });
  const watch = (connection: RTCPeerConnection) => {
    const theirs = new MediaStream();
    connection.addEventListener("track", (event) => {
      theirs.addTrack(event.track);
      const video = event.track.kind === "video";
      if (video) event.track.addEventListener("unmute", () => alter(id, { video: true }));
      alter(id, { theirs });
    });
    if (wire) mend(session, connection, wire);
  };
  if (session.connection) watch(session.connection);
  session.on("peerconnection", (event: { peerconnection: RTCPeerConnection }) =>
    watch(event.peerconnection),
  );
  // The switch learns from our checks where we are: there is no need to wait for all candidates.
  session.on("icecandidate", (event: { ready: () => void }) => event.ready());
  session.on("confirmed", () => {
    const own = new MediaStream();
    for (const sender of session.connection?.getSenders() ?? [])
      if (sender.track) own.addTrack(sender.track);
    alter(id, { state: "talking", since: Date.now(), own });
    measure();
    void findDevices();
  });
  session.on("hold", () => alter(id, { held: session.isOnHold().local }));
  session.on("unhold", () => alter(id, { held: session.isOnHold().local }));
  session.on("muted", () => alter(id, { muted: true }));
  session.on("unmuted", () => alter(id, { muted: false }));
  session.on("ended", () => gone(id));
  session.on("failed", () => gone(id));
}

function gone(id: string): void {
  sessions.delete(id);
  phone.value = { ...phone.value, calls: phone.value.calls.filter((each) => each.id !== id) };
}

const change = (more: Partial<Phone>): void => {
  phone.value = { ...phone.value, ...more };
};
const add = (made: Call): void => {
  phone.value = { ...phone.value, calls: [...phone.value.calls, made] };
};
const alter = (id: string, more: Partial<Call>): void => {
  const calls = phone.value.calls.map((each) => (each.id === id ? { ...each, ...more } : each));
  phone.value = { ...phone.value, calls };
};

// -- how loud it is ----------------------------------------------------------------------------

function measure(): void {
  if (meters !== undefined) return;
  sound ??= new AudioContext();
  const ears = new Map<MediaStream, { ear: AnalyserNode; row: Float32Array<ArrayBuffer> }>();
  const loudness = (stream: MediaStream | null): number => {
    if (!stream?.getAudioTracks().length || !sound) return 0;
    let found = ears.get(stream);
    if (!found) {
      const ear = sound.createAnalyser();
      ear.fftSize = 512;
      sound.createMediaStreamSource(stream).connect(ear);
      found = { ear, row: new Float32Array(ear.fftSize) };
      ears.set(stream, found);
    }
    found.ear.getFloatTimeDomainData(found.row);
    const power = found.row.reduce((sum, value) => sum + value * value, 0) / found.row.length;
    return Math.min(1, Math.sqrt(power) * 3);
  };
  meters = window.setInterval(() => {
    const talk = phone.value.calls.find((each) => each.state === "talking" && !each.held);
    levels.value = { own: loudness(talk?.own ?? null), theirs: loudness(talk?.theirs ?? null) };
    if (!phone.value.calls.length) {
      window.clearInterval(meters);
      meters = undefined;
    }
  }, 100);
}
