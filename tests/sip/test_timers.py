"""Timers A to M, with the values of RFC 3261 table 4 and RFC 6026, on UDP and on TCP."""

from __future__ import annotations

import pytest

from cicswitch.core.ids import Tokens
from cicswitch.core.timers import TimerWheel
from cicswitch.sip.flow import Flow, Listener
from cicswitch.sip.message import Request, Response
from cicswitch.sip.parse import parse
from cicswitch.sip.settings import Settings
from cicswitch.sip.transaction.client import ClientTransaction
from cicswitch.sip.transaction.server import ServerTransaction, server_key
from cicswitch.sip.transaction.tables import ClientState, ServerState
from cicswitch.sip.user_agent import UserAgent

T1, T2, T4 = 0.5, 4.0, 5.0


class Bench:
    """One transaction's agent, its clock, and what it was told and sent, with times."""

    def __init__(self, transport: str, settings: Settings | None = None) -> None:
        self.now = 0.0
        tokens = Tokens(lambda size: b"\x05" * size)
        self.agent = UserAgent(TimerWheel(), tokens, settings)
        connection = None if transport == "UDP" else 1
        self.flow = Flow(Listener("l", transport, "10.0.0.1", 5060), ("10.0.0.2", 5060), connection)
        self.sent: list[float] = []
        self.failed: list[tuple[float, int]] = []

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        pass

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        self.failed.append((now, status))

    def on_cancel(self, request: Request, now: float) -> None:
        pass

    def on_transport_error(self, now: float) -> None:
        self.failed.append((now, 503))

    def client(self, method: str) -> ClientTransaction:
        data = head(f"{method} sip:b@x SIP/2.0", method)
        made = ClientTransaction(self.agent, method, "z9hG4bKx", self.flow, data, self)
        made.start(self.now)
        return made

    def server(self, method: str) -> ServerTransaction:
        request = parse(head(f"{method} sip:b@x SIP/2.0", method))
        assert isinstance(request, Request)
        made = ServerTransaction(self.agent, server_key(request, method), request, self.flow)
        made.user = self
        return made

    def until(self, end: float) -> None:
        """Let time pass; remember when something was sent after the first moment."""
        self.agent.take_outputs()
        while (due := self.agent.wheel.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.agent.wheel.fire(self.now)
            self.sent += [self.now] * len(self.agent.take_outputs())
        self.now = end

    @property
    def empty(self) -> bool:
        return not self.agent.clients and not self.agent.servers


def head(start: str, method: str) -> bytes:
    return (
        f"{start}\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n"
        "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c\r\n"
        f"CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def answer(status: str, method: str) -> Response:
    response = parse(head(f"SIP/2.0 {status}", method))
    assert isinstance(response, Response)
    return response


def near(*times: float) -> object:
    return pytest.approx(list(times), abs=0.1)


# ---- clients


def test_timer_a_starts_at_t1_and_doubles_without_limit() -> None:
    bench = Bench("UDP")
    bench.client("INVITE")
    bench.until(40)
    assert bench.sent == near(0.5, 1.5, 3.5, 7.5, 15.5, 31.5)


def test_timer_e_starts_at_t1_and_doubles_up_to_t2() -> None:
    bench = Bench("UDP")
    bench.client("OPTIONS")
    bench.until(40)
    assert bench.sent == near(0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_on_a_reliable_transport_no_request_is_repeated(method: str) -> None:
    bench = Bench("TCP")
    bench.client(method)
    bench.until(40)
    assert bench.sent == []


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_timers_b_and_f_give_up_after_64_t1(method: str, transport: str) -> None:
    bench = Bench(transport)
    bench.client(method)
    bench.until(31.9)
    assert bench.failed == []
    bench.until(40)
    ((when, status),) = bench.failed
    assert when == pytest.approx(64 * T1, abs=0.1)
    assert status == 408
    assert bench.empty


def test_a_provisional_response_stops_timers_a_and_b() -> None:
    bench = Bench("UDP")
    transaction = bench.client("INVITE")
    transaction.receive(answer("180 Ringing", "INVITE"), 0.0)
    bench.until(100)
    assert (bench.sent, bench.failed) == ([], [])
    assert transaction.state == ClientState.PROCEEDING
    assert len(bench.agent.wheel) == 0


def test_a_provisional_response_slows_timer_e_to_t2_and_leaves_timer_f() -> None:
    bench = Bench("UDP")
    transaction = bench.client("OPTIONS")
    bench.until(0.2)
    transaction.receive(answer("100 Trying", "OPTIONS"), 0.2)
    bench.until(40)
    assert bench.sent == near(0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5)
    ((when, status),) = bench.failed
    assert when == pytest.approx(64 * T1, abs=0.1)
    assert status == 408
    assert bench.empty


@pytest.mark.parametrize(
    ("method", "status", "transport", "life"),
    [
        ("INVITE", "486 Busy", "UDP", 64 * T1),  # Timer D: at least 32 s
        ("INVITE", "486 Busy", "TCP", 0.0),
        ("INVITE", "200 OK", "UDP", 64 * T1),  # Timer M
        ("INVITE", "200 OK", "TCP", 64 * T1),
        ("OPTIONS", "200 OK", "UDP", T4),  # Timer K
        ("OPTIONS", "486 Busy", "UDP", T4),
        ("OPTIONS", "200 OK", "TCP", 0.0),
    ],
)
def test_timers_d_k_and_m(method: str, status: str, transport: str, life: float) -> None:
    bench = Bench(transport)
    bench.client(method).receive(answer(status, method), 0.0)
    bench.until(max(0.0, life - 0.1))
    assert bench.empty is (life == 0.0)
    bench.until(life + 0.1)
    assert bench.empty
    assert bench.failed == []
    assert len(bench.agent.wheel) == 0


# ---- servers


def test_timer_g_repeats_a_failure_until_timer_h_on_udp() -> None:
    bench = Bench("UDP")
    bench.server("INVITE").respond(0.0, 486)
    bench.until(40)
    assert bench.sent == near(0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
    assert bench.empty


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_timer_h_waits_64_t1_for_an_ack(transport: str) -> None:
    bench = Bench(transport)
    transaction = bench.server("INVITE")
    transaction.respond(0.0, 486)
    bench.until(31.9)
    assert transaction.state == ServerState.COMPLETED
    assert bench.sent == [] or transport == "UDP"
    bench.until(32.1)
    assert transaction.state == ServerState.TERMINATED
    assert bench.empty


@pytest.mark.parametrize(("transport", "life"), [("UDP", T4), ("TCP", 0.0)])
def test_timer_i_absorbs_acks_for_t4_on_udp_alone(transport: str, life: float) -> None:
    bench = Bench(transport)
    transaction = bench.server("INVITE")
    transaction.respond(0.0, 486)
    ack = parse(head("ACK sip:b@x SIP/2.0", "ACK"))
    assert isinstance(ack, Request)
    assert not transaction.receive(ack, 0.0)
    bench.until(max(0.0, life - 0.1))
    assert bench.empty is (life == 0.0)
    bench.until(life + 0.1)
    assert bench.empty
    assert bench.sent == []


@pytest.mark.parametrize(
    ("method", "status", "transport", "life"),
    [
        ("OPTIONS", 200, "UDP", 64 * T1),  # Timer J
        ("OPTIONS", 486, "UDP", 64 * T1),
        ("OPTIONS", 200, "TCP", 0.0),
        ("INVITE", 200, "UDP", 64 * T1),  # Timer L
        ("INVITE", 200, "TCP", 64 * T1),
    ],
)
def test_timers_j_and_l(method: str, status: int, transport: str, life: float) -> None:
    bench = Bench(transport)
    bench.server(method).respond(0.0, status)
    bench.until(max(0.0, life - 0.1))
    assert bench.empty is (life == 0.0)
    bench.until(life + 0.1)
    assert bench.empty
    assert bench.sent == []
    assert len(bench.agent.wheel) == 0


def test_other_values_of_t1_t2_and_t4_scale_the_timers() -> None:
    bench = Bench("UDP", Settings(t1_s=1.0, t2_s=2.0, t4_s=3.0))
    bench.client("OPTIONS")
    bench.until(8.5)
    assert bench.sent == near(1.0, 3.0, 5.0, 7.0)
    transaction = next(iter(bench.agent.clients.values()))
    transaction.receive(answer("200 OK", "OPTIONS"), bench.now)
    bench.until(11.4)
    assert not bench.empty
    bench.until(11.6)
    assert bench.empty


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_transport_error_ends_a_client_at_once_with_503(method: str, transport: str) -> None:
    bench = Bench(transport)
    bench.client(method)
    bench.agent.flow_failed(bench.flow, 1.0)
    assert bench.failed == [(1.0, 503)]
    assert bench.empty
    assert len(bench.agent.wheel) == 0


@pytest.mark.parametrize(("transport", "ends"), [("UDP", False), ("TCP", True)])
def test_only_a_lost_connection_ends_an_invite_server(transport: str, ends: bool) -> None:
    # A datagram that came back says nothing about whether the peer is there for the next.
    bench = Bench(transport)
    bench.server("INVITE").respond(0.0, 180)
    bench.agent.flow_failed(bench.flow, 1.0)
    assert bench.empty is ends
    assert bench.failed == ([(1.0, 503)] if ends else [])
