"""The four transaction machines, every state with every input."""

from __future__ import annotations

import itertools

import pytest

from cicswitch.core.ids import Tokens
from cicswitch.core.timers import TimerWheel
from cicswitch.sip.flow import Flow, Listener
from cicswitch.sip.message import Request, Response
from cicswitch.sip.parse import parse
from cicswitch.sip.transaction.client import ClientTransaction
from cicswitch.sip.transaction.server import ServerTransaction, server_key
from cicswitch.sip.transaction.tables import (
    INVITE_CLIENT,
    INVITE_SERVER,
    REQUEST_CLIENT,
    REQUEST_SERVER,
    ClientInput,
    ClientState,
    ServerInput,
    ServerState,
    Transitions,
)
from cicswitch.sip.user_agent import UserAgent

# What RFC 3261 figures 5 to 8 and RFC 6026 say, written a second time as text: state, input, next
# state, and what is to be seen of it (u: user told, s: something sent, t: user told of failure).
EXPECTED = {
    "INVITE client": """
        TRYING PROVISIONAL PROCEEDING u      TRYING SUCCESS ACCEPTED u
        TRYING FAILURE COMPLETED su          TRYING RETRANSMIT TRYING s
        TRYING TIMEOUT TERMINATED t          TRYING ERROR TERMINATED t
        PROCEEDING PROVISIONAL PROCEEDING u  PROCEEDING SUCCESS ACCEPTED u
        PROCEEDING FAILURE COMPLETED su      PROCEEDING ERROR TERMINATED t
        COMPLETED FAILURE COMPLETED s        COMPLETED LINGER TERMINATED -
        COMPLETED ERROR TERMINATED -         ACCEPTED SUCCESS ACCEPTED u
        ACCEPTED LINGER TERMINATED -
    """,
    "client": """
        TRYING PROVISIONAL PROCEEDING u      TRYING SUCCESS COMPLETED u
        TRYING FAILURE COMPLETED u           TRYING RETRANSMIT TRYING s
        TRYING TIMEOUT TERMINATED t          TRYING ERROR TERMINATED t
        PROCEEDING PROVISIONAL PROCEEDING u  PROCEEDING SUCCESS COMPLETED u
        PROCEEDING FAILURE COMPLETED u       PROCEEDING RETRANSMIT PROCEEDING s
        PROCEEDING TIMEOUT TERMINATED t      PROCEEDING ERROR TERMINATED t
        COMPLETED LINGER TERMINATED -
    """,
    "INVITE server": """
        PROCEEDING REQUEST PROCEEDING s           PROCEEDING SEND_PROVISIONAL PROCEEDING s
        PROCEEDING SEND_SUCCESS ACCEPTED s        PROCEEDING SEND_FAILURE COMPLETED s
        PROCEEDING ERROR TERMINATED t             COMPLETED REQUEST COMPLETED s
        COMPLETED ACK CONFIRMED -                 COMPLETED RETRANSMIT COMPLETED s
        COMPLETED TIMEOUT TERMINATED -            COMPLETED ERROR TERMINATED -
        CONFIRMED LINGER TERMINATED -             ACCEPTED ACK ACCEPTED u
        ACCEPTED SEND_SUCCESS ACCEPTED s          ACCEPTED LINGER TERMINATED -
    """,
    "server": """
        TRYING SEND_PROVISIONAL PROCEEDING s      TRYING SEND_SUCCESS COMPLETED s
        TRYING SEND_FAILURE COMPLETED s           TRYING ERROR TERMINATED t
        PROCEEDING REQUEST PROCEEDING s           PROCEEDING SEND_PROVISIONAL PROCEEDING s
        PROCEEDING SEND_SUCCESS COMPLETED s       PROCEEDING SEND_FAILURE COMPLETED s
        PROCEEDING ERROR TERMINATED t             COMPLETED REQUEST COMPLETED s
        COMPLETED LINGER TERMINATED -             COMPLETED ERROR TERMINATED -
    """,
}


LACKS = {"INVITE": {"TRYING"}, "OPTIONS": {"CONFIRMED", "ACCEPTED"}}
"""States of the one enum of server states that a machine does not have."""


def expected(machine: str, state: str, given: str) -> tuple[str, str]:
    words = EXPECTED[machine].split()
    for at in range(0, len(words), 4):
        if words[at : at + 2] == [state, given]:
            return words[at + 2], words[at + 3]
    return state, "-"


class User:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.seen = ""

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        self.seen += "u"

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        self.seen += "t"

    def on_cancel(self, request: Request, now: float) -> None:
        self.seen += "c"

    def on_transport_error(self, now: float) -> None:
        self.seen += "t"


def message(start: str, method: str) -> Request | Response:
    return parse(
        f"{start}\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n"
        "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c\r\n"
        f"CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n".encode()
    )


def agent_and_flow() -> tuple[UserAgent, Flow]:
    agent = UserAgent(TimerWheel(), Tokens(lambda size: bytes(range(256)) * (size // 256 + 1)))
    return agent, Flow(Listener("u", "UDP", "10.0.0.1", 5060), ("10.0.0.2", 5060))


@pytest.mark.parametrize(
    ("state", "given", "method"),
    [
        case
        for case in itertools.product(ClientState, ClientInput, ("INVITE", "OPTIONS"))
        if case[0] is not ClientState.ACCEPTED or case[2] == "INVITE"
    ],
)
def test_client(state: ClientState, given: ClientInput, method: str) -> None:
    machine = "INVITE client" if method == "INVITE" else "client"
    agent, flow = agent_and_flow()
    user = User()
    request = message(f"{method} sip:b@x SIP/2.0", method)
    transaction = ClientTransaction(agent, method, "z9hG4bKx", flow, request.data, user)
    transaction.start(0.0)
    path = {
        ClientState.PROCEEDING: ["180 R"],
        ClientState.COMPLETED: ["486 B"],
        ClientState.ACCEPTED: ["200 OK"],
    }
    for status in path.get(state, []):
        response = message(f"SIP/2.0 {status}", method)
        assert isinstance(response, Response)
        transaction.receive(response, 0.0)
    if state is ClientState.TERMINATED:
        transaction.handle(ClientInput.TIMEOUT, 0.0)
    assert transaction.state == state
    agent.outputs.clear()
    user.seen = ""
    if given <= ClientInput.FAILURE:
        status = ("180 R", "200 OK", "486 B")[given]
        response = message(f"SIP/2.0 {status}", method)
        assert isinstance(response, Response)
        transaction.receive(response, 0.1)
    else:
        transaction.handle(given, 0.1)
    after, seen = expected(machine, state.name, given.name)
    assert ClientState(transaction.state).name == after
    assert ("s" * len(agent.outputs) + user.seen or "-") == seen
    assert (transaction.key in agent.clients) == (after != "TERMINATED")


@pytest.mark.parametrize(
    ("state", "given", "method"),
    [
        case
        for case in itertools.product(ServerState, ServerInput, ("INVITE", "OPTIONS"))
        if case[0].name not in LACKS[case[2]]
        and (case[1] is not ServerInput.ACK or case[2] == "INVITE")
    ],
)
def test_server(state: ServerState, given: ServerInput, method: str) -> None:
    machine = "INVITE server" if method == "INVITE" else "server"
    agent, flow = agent_and_flow()
    user = User()
    request = message(f"{method} sip:b@x SIP/2.0", method)
    ack = message("ACK sip:b@x SIP/2.0", "ACK")
    assert isinstance(request, Request)
    assert isinstance(ack, Request)
    transaction = ServerTransaction(agent, server_key(request, method), request, flow)
    transaction.user = user
    status = {"PROCEEDING": 180, "COMPLETED": 486, "CONFIRMED": 486, "ACCEPTED": 200}
    if state.name in status:
        transaction.respond(0.0, status[state.name])
    if state is ServerState.CONFIRMED:
        transaction.receive(ack, 0.0)
    if state is ServerState.TERMINATED:
        transaction.handle(ServerInput.ERROR, 0.0)
    assert transaction.state == state
    agent.outputs.clear()
    user.seen = ""
    if given is ServerInput.ACK:
        user.seen = "u" if transaction.receive(ack, 0.1) else ""
    elif given is ServerInput.REQUEST:
        transaction.receive(request, 0.1)
    elif given in (
        ServerInput.SEND_PROVISIONAL,
        ServerInput.SEND_SUCCESS,
        ServerInput.SEND_FAILURE,
    ):
        transaction.respond(0.1, {2: 183, 3: 200, 4: 486}[int(given)])
    else:
        transaction.handle(given, 0.1)
    after, seen = expected(machine, state.name, given.name)
    assert ServerState(transaction.state).name == after
    assert ("s" * len(agent.outputs) + user.seen or "-") == seen
    assert (transaction.key in agent.servers) == (after != "TERMINATED")


@pytest.mark.parametrize("table", [INVITE_CLIENT, REQUEST_CLIENT, INVITE_SERVER, REQUEST_SERVER])
def test_nothing_comes_back_from_the_dead(table: Transitions) -> None:
    dead = len(table) - 1
    assert all(cell == (dead, 0) for cell in table[dead])


def test_timer_a_doubles_and_timer_e_stops_at_t2() -> None:
    for method, times in (
        ("INVITE", [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]),
        ("OPTIONS", [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),
    ):
        agent, flow = agent_and_flow()
        data = b"%s sip:b SIP/2.0\r\n\r\n" % method.encode()
        ClientTransaction(agent, method, "z9hG4bKx", flow, data, None).start(0.0)
        agent.outputs.clear()
        seen = []
        for step in range(1, 4000):
            now = step / 100
            agent.wheel.fire(now)
            seen += [now] * len(agent.take_outputs())
        assert seen == pytest.approx(times, abs=0.1)
        assert not agent.clients


def test_timer_g_repeats_a_failure_until_ack() -> None:
    agent, flow = agent_and_flow()
    request = message("INVITE sip:b@x SIP/2.0", "INVITE")
    ack = message("ACK sip:b@x SIP/2.0", "ACK")
    assert isinstance(request, Request)
    assert isinstance(ack, Request)
    transaction = ServerTransaction(agent, server_key(request, "INVITE"), request, flow)
    transaction.respond(0.0, 486)
    for step in range(1, 1000):
        agent.wheel.fire(step / 100)
    assert len(agent.take_outputs()) == 1 + 4  # 0.5, 1.5, 3.5, 7.5
    transaction.receive(ack, 10.0)
    agent.wheel.fire(14.9)
    assert agent.servers
    agent.wheel.fire(15.1)
    assert not agent.servers
    assert not agent.outputs
