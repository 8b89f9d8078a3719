// A call whose network has changed: new candidates by a re-INVITE bring it back.

import type { RTCSession } from "jssip/lib/RTCSession";
import type { Wire } from "./wire";

const PATIENCE_MS = 1000;
const AGAIN_MS = 5000;

/** See to it that a connection that is cut is made again, until it is there or the call is over.
 *
 * A re-INVITE that is lost with its WebSocket would end the call: that one is looked after first.
 */
export function mend(session: RTCSession, connection: RTCPeerConnection, wire: Wire): void {
  let timer: number | undefined;
  const cut = (): boolean => ["disconnected", "failed"].includes(connection.connectionState);
  const offer = (): void => {
    session.renegotiate({ rtcOfferConstraints: { iceRestart: cut() } } as never);
  };
  const restart = async (): Promise<void> => {
    await wire.alive();
    timer = undefined;
    if (!cut() || session.isEnded()) return;
    offer(); // refused while another is on its way; it is tried again then
    timer = window.setTimeout(() => void restart(), AGAIN_MS);
  };
  // By a new WebSocket the switch reaches us once it has heard us there.
  const back = (): void => {
    if (session.isEstablished()) offer();
  };
  wire.onagain.add(back);
  session.on("ended", () => wire.onagain.delete(back));
  session.on("failed", () => wire.onagain.delete(back));
  // Where media goes another way now, the WebSocket may lead nowhere.
  const moved = (): void => void wire.alive();
  connection.addEventListener("connectionstatechange", () => {
    for (const sender of connection.getSenders())
      sender.transport?.iceTransport.addEventListener("selectedcandidatepairchange", moved);
    if (cut()) timer ??= window.setTimeout(() => void restart(), PATIENCE_MS);
    else {
      window.clearTimeout(timer);
      timer = undefined;
    }
  });
}
