"""What one two-leg call costs the SIP core, in memory: scripted peers, our B2BUA in between.

    python bench/micro_sip.py [calls] [--no-sdp] [--profile]

Only the switch's side is timed. The peers' bytes are cut from what the switch sent last.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import sys
import time
from collections.abc import Callable
from typing import Any

from cicswitch.core.ids import Tokens
from cicswitch.core.timers import TimerWheel
from cicswitch.sip.events import (
    Event,
    InviteReceived,
    ProvisionalReceived,
    SessionAccepted,
    SessionEnded,
)
from cicswitch.sip.flow import Flow, Listener
from cicswitch.sip.user_agent import UserAgent

try:
    from cicswitch.sdp import Local, Origin, accept_answer, answer, make_offer, parse_sdp
except ImportError:
    HAVE_SDP = False
else:
    HAVE_SDP = True

OFFER = (
    b"v=0\r\no=- 20518 0 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
    b"m=audio 30000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)


def value(data: bytes, name: bytes) -> bytes:
    start = data.index(b"\r\n" + name + b": ") + len(name) + 4
    return data[start : data.index(b"\r\n", start)]


def request_of_a(number: int, method: bytes, to: bytes, cseq: int, body: bytes = b"") -> bytes:
    extra = b"Content-Type: application/sdp\r\n" if body else b""
    return (
        b"%s sip:1000@10.0.0.1:5060 SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 10.0.0.9:5080;rport;branch=z9hG4bKa%s%d\r\n"
        b'Max-Forwards: 70\r\nFrom: "A" <sip:a@10.0.0.9>;tag=atag%d\r\n'
        b"To: %s\r\nCall-ID: call-%d@10.0.0.9\r\nCSeq: %d %s\r\n"
        b"Contact: <sip:a@10.0.0.9:5080>\r\nUser-Agent: bench\r\n%sContent-Length: %d\r\n\r\n%s"
    ) % (method, method, number, number, to, number, cseq, method, extra, len(body), body)


def response_of_b(request: bytes, status: bytes, tag: bytes, body: bytes = b"") -> bytes:
    extra = b"Content-Type: application/sdp\r\n" if body else b""
    return (
        b"SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
        b"Contact: <sip:b@10.0.0.8:5090>\r\n%sContent-Length: %d\r\n\r\n%s"
    ) % (
        status,
        value(request, b"Via"),
        value(request, b"From"),
        value(request, b"To"),
        tag,
        value(request, b"Call-ID"),
        value(request, b"CSeq"),
        extra,
        len(body),
        body,
    )


class B2bua:
    """The least that a transaction user can do: bridge two legs."""

    def __init__(self, agent: UserAgent, out: Flow, sdp: bool) -> None:
        self.agent = agent
        self.out = out
        self.sdp = sdp

    def act(self, events: list[Event], now: float) -> None:
        for event in events:
            kind = event.__class__
            if kind is InviteReceived:
                assert isinstance(event, InviteReceived)
                body = event.request.body
                answered = b""
                if self.sdp:
                    offer = parse_sdp(body)
                    reply, _ = answer(offer, Local("10.0.0.1", 40000, Origin("1234567890")))
                    answered = reply
                    body = make_offer(Local("10.0.0.1", 40002, Origin("1234567891")))
                leg_a = event.session
                leg_b = self.agent.invite(
                    now, "sip:b@10.0.0.8:5090", self.out, "<sip:a@10.0.0.1>", body=body
                )
                leg_a.data = (leg_b, answered)
                leg_b.data = (leg_a, body)
            elif kind is ProvisionalReceived:
                assert isinstance(event, ProvisionalReceived)
                event.session.data[0].ring(now, event.status)
            elif kind is SessionAccepted:
                assert isinstance(event, SessionAccepted)
                leg_a, offered = event.session.data
                body = event.body
                if self.sdp:
                    accept_answer(offered, body, Local("10.0.0.1", 40002, Origin("1")))
                    body = leg_a.data[1]
                leg_a.accept(now, body)
            elif kind is SessionEnded:
                assert isinstance(event, SessionEnded)
                data, event.session.data = event.session.data, None
                if data is not None:
                    data[0].end(now)


def run(calls: int, sdp: bool) -> float:
    """Seconds of CPU of the switch for so many calls."""
    counter = [0]

    def random_bytes(size: int) -> bytes:
        counter[0] += 1
        return b"".join(
            (counter[0] * 7_919 + i * 104_729).to_bytes(8, "big") for i in range(size // 8)
        )

    wheel = TimerWheel()
    agent = UserAgent(wheel, Tokens(random_bytes))
    listener = Listener("main", "UDP", "10.0.0.1", 5060)
    flow_a, flow_b = Flow(listener, ("10.0.0.9", 5080)), Flow(listener, ("10.0.0.8", 5090))
    switch = B2bua(agent, flow_b, sdp)
    spent = 0.0
    clock: Callable[[], float] = time.thread_time

    def step(data: bytes, flow: Flow) -> list[tuple[Flow, bytes]]:
        nonlocal spent
        start = clock()
        agent.receive(data, flow, now)
        while events := agent.take_events():
            switch.act(events, now)
        wheel.fire(now)
        outputs = agent.take_outputs()
        spent += clock() - start
        return outputs

    for number in range(calls):
        now = number * 0.0004
        to = b"<sip:1000@10.0.0.1>"
        out = step(request_of_a(number, b"INVITE", to, 1, OFFER), flow_a)
        invite = next(data for _, data in out if data.startswith(b"INVITE"))
        tag = b";tag=btag%d" % number
        step(response_of_b(invite, b"100 Trying", b""), flow_b)
        step(response_of_b(invite, b"180 Ringing", tag), flow_b)
        out = step(response_of_b(invite, b"200 OK", tag, OFFER), flow_b)
        ok = next(data for _, data in out if data.startswith(b"SIP/2.0 200"))
        to = value(ok, b"To")
        step(request_of_a(number, b"ACK", to, 1), flow_a)
        out = step(request_of_a(number, b"BYE", to, 2), flow_a)
        bye = next(data for _, data in out if data.startswith(b"BYE"))
        out = step(response_of_b(bye, b"200 OK", b""), flow_b)
        assert not out
    assert agent.sessions == 0, agent.sessions
    return spent


def main(arguments: list[str]) -> None:
    numbers = [int(item) for item in arguments if item.isdigit()]
    calls = numbers[0] if numbers else 5_000
    sdp = HAVE_SDP and "--no-sdp" not in arguments
    gc.collect()
    gc.disable()
    run(200, sdp)
    if "--profile" in arguments:
        profile: Any = cProfile.Profile()
        profile.enable()
        run(calls, sdp)
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
        return
    best = min(run(calls, sdp) for _ in range(5)) / calls * 1e6
    print(f"{best:.1f} us a two-leg call{' with SDP' if sdp else ' without SDP'}, best of 5")


if __name__ == "__main__":
    main(sys.argv[1:])
