"""cicswitch: a telephony switch and routing engine that turns a PBX into an interaction center.

The way of an inbound call, file by file:

    datagram     net/transports       bytes -> agent.receive(data, flow, now)
    message      sip/parse            bytes -> Request
    transaction  sip/transaction/     Request -> outputs
    session      sip/session          InviteReceived -> legs/sip/stack
    leg          legs/sip/leg         offer/answer, media port -> LegOffered
    conductor    switch/conductor     LegOffered -> Call, route, Run
    dialplan     dialplan/run         -> actions, which switch/steps carries out
    queue        switch/queueing      Enqueue -> acd/engine -> Reserved(agent)
    agent        switch/dialling      originate -> LegAnswered -> Accept
    bridge       switch/listening     calls/bridge_plan -> media/
    record       records/, store/     events -> journal and rows

To embed it: `async with cicswitch.Switch("cicswitch.toml") as switch: ...`
"""

from typing import TYPE_CHECKING

from cicswitch.core.version import __version__

if TYPE_CHECKING:
    from cicswitch.daemon import Switch

__all__ = ["Switch", "__version__"]


def __getattr__(name: str) -> object:
    """`Switch` is imported at its first use, so that `cicswitch --help` does not pay for it."""
    if name == "Switch":
        from cicswitch.daemon import Switch

        return Switch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
