"""The phone's process: pjsua2 on one side, lines of JSON on the other."""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
from typing import Any

try:
    import pjsua2 as pj
except ImportError:
    print(
        "cicswitch phone: PJSIP is not installed: make setup (in a clone),"
        " or pip install 'cicswitch[phone]'",
        file=sys.stderr,
    )
    raise SystemExit(1) from None


# PJSIP writes its own log to standard output; events have that for themselves.
_events = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def emit(event: str, **values: Any) -> None:
    """Write one event."""
    _events.write(json.dumps({"event": event, **values}) + "\n")


class Call(pj.Call):  # type: ignore[misc]  # pjsua2 has no types
    """One call; every callback ends in an event."""

    def __init__(self, phone: Phone, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(phone.account, call_id)
        self.phone = phone
        self.number = -1
        self.player: Any = None
        self.recorder: Any = None
        self.figures: dict[str, Any] = {}

    def onStreamDestroyed(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """The last moment at which the stream's figures can be read."""
        self.figures = self.statistics() or self.figures

    def onCallState(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Early, confirmed, disconnected."""
        info = self.getInfo()
        state = info.state
        if state == pj.PJSIP_INV_STATE_EARLY:
            emit("early", call=self.number, status=info.lastStatusCode)
        elif state == pj.PJSIP_INV_STATE_CONFIRMED:
            emit("confirmed", call=self.number)
        elif state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.stop_media()
            self.phone.calls.pop(self.number, None)
            self.phone.graveyard.append(self)
            emit(
                "disconnected",
                call=self.number,
                status=info.lastStatusCode,
                reason=info.lastReason,
                rtp=self.statistics() or self.figures,
            )

    def onCallMediaState(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Media came up, or was held."""
        info = self.getInfo()  # kept: info.media is memory of info
        for index in range(len(info.media)):
            media = info.media[index]
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                try:
                    self.connect_media(index)
                except pj.Error as error:
                    emit("error", call=self.number, error=error.info())
                emit("media", call=self.number, status="active")
            elif media.status in (
                pj.PJSUA_CALL_MEDIA_REMOTE_HOLD,
                pj.PJSUA_CALL_MEDIA_LOCAL_HOLD,
            ):
                emit("media", call=self.number, status="held")

    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """A digit came."""
        emit("dtmf", call=self.number, digit=prm.digit, duration_ms=prm.duration)

    def onCallTransferStatus(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """How our REFER goes."""
        emit("transfer", call=self.number, status=prm.statusCode, final=prm.finalNotify)

    def connect_media(self, index: int) -> None:
        """Player to the call, call to the recorder."""
        audio = self.getAudioMedia(index)
        options = self.phone.options
        if options.play:
            if self.player is None:
                self.player = pj.AudioMediaPlayer()
                self.player.createPlayer(
                    options.play, 0 if options.loop else pj.PJMEDIA_FILE_NO_LOOP
                )
            self.player.startTransmit(audio)
        if options.record:
            if self.recorder is None:
                path = options.record.replace("{call}", str(self.number))
                self.recorder = pj.AudioMediaRecorder()
                self.recorder.createRecorder(path)
            audio.startTransmit(self.recorder)

    def stop_media(self) -> None:
        """Let go of the files."""
        self.player = self.recorder = None

    def statistics(self) -> dict[str, Any]:
        """RTP figures as PJSIP saw them."""
        try:
            stream = self.getStreamStat(0)
        except pj.Error:
            return {}
        rx, tx = stream.rtcp.rxStat, stream.rtcp.txStat
        return {
            "packets_received": rx.pkt,
            "packets_sent": tx.pkt,
            "packets_lost": rx.loss,
            "packets_discarded": rx.discard,
            "packets_reordered": rx.reorder,
            "jitter_ms": rx.jitterUsec.mean / 1000,
        }


class Account(pj.Account):  # type: ignore[misc]  # pjsua2 has no types
    """The registration, and what comes in."""

    def __init__(self, phone: Phone) -> None:
        super().__init__()
        self.phone = phone

    def onRegState(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Registered, refused, unregistered."""
        info = self.getInfo()
        emit("registration", status=prm.code, active=info.regIsActive, reason=prm.reason)

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Somebody calls."""
        call = Call(self.phone, prm.callId)
        number = self.phone.add(call)
        emit("incoming", call=number, **{"from": call.getInfo().remoteUri})
        options = self.phone.options
        if options.answer_after is None:
            self.phone.reply(call, 180)
        elif options.answer_after == 0:
            self.phone.reply(call, 200)
        else:
            self.phone.reply(call, 180)
            self.phone.later(options.answer_after, {"do": "answer", "call": number})
        if options.reject:
            self.phone.reply(call, options.reject)


class Phone:
    """The endpoint, its account and its calls. All of pjsua2 is touched by the main thread only."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.calls: dict[int, Call] = {}
        self.graveyard: list[Call] = []
        self.commands: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._next = 0
        self._timers: list[threading.Timer] = []
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = config.logConfig.consoleLevel = options.log_level
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.userAgent = "cicswitch-phone"
        config.medConfig.clockRate = 8000
        config.medConfig.noVad = True
        config.medConfig.ecTailLen = 0
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.port = options.port
        transport.boundAddress = options.bind
        kinds = {
            ("udp", False): pj.PJSIP_TRANSPORT_UDP,
            ("tcp", False): pj.PJSIP_TRANSPORT_TCP,
            ("udp", True): pj.PJSIP_TRANSPORT_UDP6,
            ("tcp", True): pj.PJSIP_TRANSPORT_TCP6,
        }
        ipv6 = ":" in options.bind
        self.endpoint.transportCreate(kinds[options.transport, ipv6], transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            self.endpoint.codecSetPriority(codec.codecId, 0)
        for priority, name in enumerate(reversed(options.codecs.split(","))):
            self.endpoint.codecSetPriority(f"{name}/8000/1", 200 + priority)
        account = pj.AccountConfig()
        account.idUri = f"sip:{options.user}@{options.server}"
        if options.register:
            account.regConfig.registrarUri = self.uri("").replace("sip:@", "sip:")
            account.regConfig.timeoutSec = options.expires
        if options.password:
            account.sipConfig.authCreds.append(
                pj.AuthCredInfo("digest", "*", options.user, 0, options.password)
            )
        account.mediaConfig.transportConfig.boundAddress = options.bind
        account.mediaConfig.transportConfig.port = options.rtp_port
        account.mediaConfig.transportConfig.portRange = 200
        if ipv6:
            account.mediaConfig.ipv6Use = pj.PJSUA_IPV6_ENABLED
        account.callConfig.timerUse = pj.PJSUA_SIP_TIMER_INACTIVE
        self.account = Account(self)
        self.account.create(account)

    def uri(self, target: str) -> str:
        """A number at the server, or a URI as it is."""
        if target.startswith("sip:"):
            return target
        tcp = ";transport=tcp" if self.options.transport == "tcp" else ""
        return f"sip:{target}@{self.options.server}{tcp}"

    def add(self, call: Call) -> int:
        """Number a call."""
        call.number = self._next
        self._next += 1
        self.calls[call.number] = call
        return call.number

    def later(self, seconds: float, command: dict[str, Any]) -> None:
        """Do a command after a while, by the queue as all others."""
        timer = threading.Timer(seconds, self.commands.put, (command,))
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    @staticmethod
    def reply(call: Call, status: int) -> None:
        """Answer an incoming call with a status."""
        prm = pj.CallOpParam(True)
        prm.statusCode = status
        call.answer(prm)

    def do(self, command: dict[str, Any]) -> None:
        """Carry out one command."""
        kind = command["do"]
        if kind == "call":
            call = Call(self)
            number = self.add(call)
            emit("calling", call=number, to=command["to"])
            call.makeCall(self.uri(str(command["to"])), pj.CallOpParam(True))
            return
        if kind == "unregister":
            self.account.setRegistration(False)
            return
        call = self.calls[command.get("call", max(self.calls, default=-1))]
        prm = pj.CallOpParam(True)
        match kind:
            case "answer":
                self.reply(call, int(command.get("status", 200)))
            case "hangup":
                prm.statusCode = int(command.get("status", 0))
                call.hangup(prm)
            case "dtmf":
                digits = pj.CallSendDtmfParam()
                digits.digits = command["digits"]
                digits.duration = int(command.get("duration_ms", 160))
                if command.get("method") == "info":
                    digits.method = pj.PJSUA_DTMF_METHOD_SIP_INFO
                call.sendDtmf(digits)
            case "hold":
                call.setHold(pj.CallOpParam(True))
            case "resume":
                prm.opt.flag = pj.PJSUA_CALL_UNHOLD
                call.reinvite(prm)
            case "transfer":
                call.xfer(self.uri(str(command["to"])), prm)
            case "transfer-attended":
                call.xferReplaces(self.calls[command["other"]], prm)
            case "statistics":
                emit("statistics", call=call.number, rtp=call.statistics())
            case _:
                emit("error", error=f"unknown command {kind!r}")

    def run(self) -> None:
        """Handle events and commands until told to quit."""
        while True:
            self.endpoint.libHandleEvents(10)
            self.graveyard.clear()
            while True:
                try:
                    command = self.commands.get_nowait()
                except queue.Empty:
                    break
                if command is None or command.get("do") == "quit":
                    return
                try:
                    self.do(command)
                except (pj.Error, KeyError, ValueError) as error:
                    text = error.info() if isinstance(error, pj.Error) else repr(error)
                    emit("error", error=text, command=command)

    def close(self) -> None:
        """Hang up, unregister, and end: recordings get their header here."""
        for timer in self._timers:
            timer.cancel()
        self.endpoint.hangupAllCalls()
        for _ in range(30):
            self.endpoint.libHandleEvents(10)
        for call in self.calls.values():
            call.stop_media()
        self.account.shutdown()
        self.endpoint.libDestroy()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="cicswitch phone",
        description="A headless SIP phone (PJSIP). Reads commands as lines of JSON, writes events.",
        epilog="""examples:
  cicswitch phone --user 1001 --password phone-1001 --register --answer-after 0
  echo '{"do": "call", "to": "5000"}' | cicswitch phone --user 2001 --password phone-2001
commands: call, answer, hangup, dtmf, hold, resume, transfer, transfer-attended, statistics,
quit""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--server", default="127.0.0.1:5060", help="the switch, HOST:PORT")
    add("--user", default="2001", help="number and user name")
    add("--password", default="", help="for digest authentication")
    add("--register", action="store_true", help="register, so that the phone can be called")
    add("--expires", type=int, default=300, help="seconds of a registration")
    add("--transport", choices=("udp", "tcp"), default="udp")
    add("--bind", default="127.0.0.1", help="own address")
    add("--port", type=int, default=0, help="own SIP port; 0: any")
    add("--rtp-port", type=int, default=4000, help="first RTP port")
    add("--codecs", default="PCMU,PCMA", help="in order of preference")
    add("--call", default="", help="call this number at once")
    add("--dtmf", default="", help="send these digits after the answer")
    add("--answer-after", type=float, default=None, help="answer calls after so many seconds")
    add("--reject", type=int, default=0, help="reject calls with this status, such as 486")
    add("--play", default="", help="play a WAV file into calls")
    add("--loop", action="store_true", help="play it again and again")
    add("--record", default="", help="record calls to this WAV file; {call} is the call's number")
    add("--duration", type=float, default=0, help="end after so many seconds")
    add("--log-level", type=int, default=0, help="PJSIP's own log, 0 to 6")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Run the phone."""
    options = parse(arguments)
    try:
        phone = Phone(options)
    except pj.Error as error:
        print(f"cicswitch phone: {error.info()}", file=sys.stderr)
        raise SystemExit(1) from None

    def read() -> None:
        for line in sys.stdin:
            if line.strip():
                try:
                    phone.commands.put(json.loads(line))
                except ValueError:
                    emit("error", error=f"no JSON: {line.strip()}")
        if not (options.register or options.call or options.duration):
            phone.commands.put(None)

    threading.Thread(target=read, daemon=True).start()
    emit("ready", user=options.user)
    if options.call:
        phone.commands.put({"do": "call", "to": options.call})
        if options.dtmf:
            phone.later(2.0, {"do": "dtmf", "digits": options.dtmf})
    if options.duration:
        phone.later(options.duration, {"do": "quit"})
    try:
        phone.run()
    except KeyboardInterrupt:
        emit("interrupted")
    phone.close()
    os._exit(0)  # SWIG's objects may outlive the library; leave before they notice


if __name__ == "__main__":
    main()
