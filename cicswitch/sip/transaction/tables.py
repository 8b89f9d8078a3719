"""The four transaction machines as data (RFC 3261 section 17, amended by RFC 6026).

Each table says for every state and every input the next state and the one action that goes with
it. Nothing is left out: an input that means nothing in a state is ABSORB there. `client` and
`server` only carry out actions; whether a transport is reliable changes timers, never a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

__all__ = [
    "INVITE_CLIENT",
    "INVITE_SERVER",
    "REQUEST_CLIENT",
    "REQUEST_SERVER",
    "Action",
    "ClientInput",
    "ClientState",
    "ServerInput",
    "ServerState",
    "Transitions",
]


class ClientState(IntEnum):
    """Client transactions. TRYING is called Calling for INVITE; ACCEPTED is INVITE's alone."""

    TRYING = 0
    PROCEEDING = 1
    COMPLETED = 2
    ACCEPTED = 3
    TERMINATED = 4


class ClientInput(IntEnum):
    """What can happen to a client transaction."""

    PROVISIONAL = 0
    SUCCESS = 1
    FAILURE = 2
    RETRANSMIT = 3  # Timer A or E
    TIMEOUT = 4  # Timer B or F
    LINGER = 5  # Timer D, K or M
    ERROR = 6  # the transport failed


class ServerState(IntEnum):
    """Server transactions. TRYING is the non-INVITE one's; CONFIRMED and ACCEPTED are INVITE's."""

    TRYING = 0
    PROCEEDING = 1
    COMPLETED = 2
    CONFIRMED = 3
    ACCEPTED = 4
    TERMINATED = 5


class ServerInput(IntEnum):
    """What can happen to a server transaction."""

    REQUEST = 0  # a retransmission
    ACK = 1
    SEND_PROVISIONAL = 2
    SEND_SUCCESS = 3
    SEND_FAILURE = 4
    RETRANSMIT = 5  # Timer G
    TIMEOUT = 6  # Timer H
    LINGER = 7  # Timer I, J or L
    ERROR = 8  # the transport failed


class Action(IntEnum):
    """What goes with a transition."""

    ABSORB = 0
    PASS = 1  # to the transaction user
    RESEND = 2  # the last thing we sent
    ACK = 3  # send the ACK again
    ACK_AND_PASS = 4
    TIMEOUT = 5  # tell the transaction user 408
    FAIL = 6  # tell the transaction user 503
    END = 7  # forget the transaction
    SEND = 8


Transitions = tuple[tuple[tuple[int, int], ...], ...]


def _table(
    states: type[IntEnum],
    inputs: type[IntEnum],
    rows: Mapping[IntEnum, Mapping[IntEnum, tuple[IntEnum, Action]]],
) -> Transitions:
    """Rows as nested tuples, indexed by state and input; what a row lacks is absorbed."""
    return tuple(
        tuple(
            (int(cell[0]), int(cell[1]))
            for cell in (rows.get(state, {}).get(given, (state, Action.ABSORB)) for given in inputs)
        )
        for state in states
    )


_C, _I, _A = ClientState, ClientInput, Action

# RFC 3261 figure 5 with RFC 6026 figure 5.
INVITE_CLIENT: Final = _table(
    ClientState,
    ClientInput,
    {
        _C.TRYING: {
            _I.PROVISIONAL: (_C.PROCEEDING, _A.PASS),
            _I.SUCCESS: (_C.ACCEPTED, _A.PASS),
            _I.FAILURE: (_C.COMPLETED, _A.ACK_AND_PASS),
            _I.RETRANSMIT: (_C.TRYING, _A.RESEND),
            _I.TIMEOUT: (_C.TERMINATED, _A.TIMEOUT),
            _I.ERROR: (_C.TERMINATED, _A.FAIL),
        },
        _C.PROCEEDING: {
            _I.PROVISIONAL: (_C.PROCEEDING, _A.PASS),
            _I.SUCCESS: (_C.ACCEPTED, _A.PASS),
            _I.FAILURE: (_C.COMPLETED, _A.ACK_AND_PASS),
            _I.ERROR: (_C.TERMINATED, _A.FAIL),
        },
        _C.COMPLETED: {
            _I.FAILURE: (_C.COMPLETED, _A.ACK),
            _I.LINGER: (_C.TERMINATED, _A.END),
            _I.ERROR: (_C.TERMINATED, _A.END),
        },
        _C.ACCEPTED: {
            # RFC 6026 section 8.4: "When in the 'Accepted' state, any 2xx responses MUST be
            # passed to the TU".
            _I.SUCCESS: (_C.ACCEPTED, _A.PASS),
            _I.LINGER: (_C.TERMINATED, _A.END),
        },
    },
)

# RFC 3261 figure 6.
REQUEST_CLIENT: Final = _table(
    ClientState,
    ClientInput,
    {
        _C.TRYING: {
            _I.PROVISIONAL: (_C.PROCEEDING, _A.PASS),
            _I.SUCCESS: (_C.COMPLETED, _A.PASS),
            _I.FAILURE: (_C.COMPLETED, _A.PASS),
            _I.RETRANSMIT: (_C.TRYING, _A.RESEND),
            _I.TIMEOUT: (_C.TERMINATED, _A.TIMEOUT),
            _I.ERROR: (_C.TERMINATED, _A.FAIL),
        },
        _C.PROCEEDING: {
            _I.PROVISIONAL: (_C.PROCEEDING, _A.PASS),
            _I.SUCCESS: (_C.COMPLETED, _A.PASS),
            _I.FAILURE: (_C.COMPLETED, _A.PASS),
            _I.RETRANSMIT: (_C.PROCEEDING, _A.RESEND),
            _I.TIMEOUT: (_C.TERMINATED, _A.TIMEOUT),
            _I.ERROR: (_C.TERMINATED, _A.FAIL),
        },
        _C.COMPLETED: {
            _I.LINGER: (_C.TERMINATED, _A.END),
        },
    },
)

_S, _J = ServerState, ServerInput

# RFC 3261 figure 7 with RFC 6026 figure 3.
INVITE_SERVER: Final = _table(
    ServerState,
    ServerInput,
    {
        _S.PROCEEDING: {
            _J.REQUEST: (_S.PROCEEDING, _A.RESEND),
            _J.SEND_PROVISIONAL: (_S.PROCEEDING, _A.SEND),
            _J.SEND_SUCCESS: (_S.ACCEPTED, _A.SEND),
            _J.SEND_FAILURE: (_S.COMPLETED, _A.SEND),
            _J.ERROR: (_S.TERMINATED, _A.FAIL),
        },
        _S.COMPLETED: {
            _J.REQUEST: (_S.COMPLETED, _A.RESEND),
            _J.ACK: (_S.CONFIRMED, _A.ABSORB),
            _J.RETRANSMIT: (_S.COMPLETED, _A.RESEND),
            _J.TIMEOUT: (_S.TERMINATED, _A.END),
            _J.ERROR: (_S.TERMINATED, _A.END),
        },
        _S.CONFIRMED: {
            _J.LINGER: (_S.TERMINATED, _A.END),
        },
        _S.ACCEPTED: {
            # RFC 6026 section 8.7: retransmitted INVITEs are absorbed, the TU repeats its 2xx;
            # "any ACKs received from the network while in the 'Accepted' state MUST be passed
            # directly to the TU".
            _J.ACK: (_S.ACCEPTED, _A.PASS),
            _J.SEND_SUCCESS: (_S.ACCEPTED, _A.SEND),
            _J.LINGER: (_S.TERMINATED, _A.END),
        },
    },
)

# RFC 3261 figure 8.
REQUEST_SERVER: Final = _table(
    ServerState,
    ServerInput,
    {
        _S.TRYING: {
            _J.SEND_PROVISIONAL: (_S.PROCEEDING, _A.SEND),
            _J.SEND_SUCCESS: (_S.COMPLETED, _A.SEND),
            _J.SEND_FAILURE: (_S.COMPLETED, _A.SEND),
            _J.ERROR: (_S.TERMINATED, _A.FAIL),
        },
        _S.PROCEEDING: {
            _J.REQUEST: (_S.PROCEEDING, _A.RESEND),
            _J.SEND_PROVISIONAL: (_S.PROCEEDING, _A.SEND),
            _J.SEND_SUCCESS: (_S.COMPLETED, _A.SEND),
            _J.SEND_FAILURE: (_S.COMPLETED, _A.SEND),
            _J.ERROR: (_S.TERMINATED, _A.FAIL),
        },
        _S.COMPLETED: {
            _J.REQUEST: (_S.COMPLETED, _A.RESEND),
            _J.LINGER: (_S.TERMINATED, _A.END),
            _J.ERROR: (_S.TERMINATED, _A.END),
        },
    },
)
