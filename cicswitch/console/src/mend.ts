// A call whose network has changed: new candidates by a re-INVITE bring it back.

import type { RTCSession } from "jssip/lib/RTCSession";

const PATIENCE_MS = 1000;
const AGAIN_MS = 5000;

/** See to it that a connection that is cut is made again, until it is there or the call is over. */
export function mend(session: RTCSession, connection: RTCPeerConnection): void {
  let timer: number | undefined;
  const cut = (): boolean => ["disconnected", "failed"].includes(connection.connectionState);
  const restart = (): void => {
    timer = undefined;
    if (!cut() || session.isEnded()) return;
    // Refused while an offer is on its way; it is tried again then.
    session.renegotiate({ rtcOfferConstraints: { iceRestart: true } } as never);
    timer = window.setTimeout(restart, AGAIN_MS);
  };
  connection.addEventListener("connectionstatechange", () => {
    if (cut()) timer ??= window.setTimeout(restart, PATIENCE_MS);
    else {
      window.clearTimeout(timer);
      timer = undefined;
    }
  });
}
