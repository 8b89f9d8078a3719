"""UserAgent: the SIP core that joins transactions, dialogs and sessions, without any I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cicswitch.core.ids import Tokens
from cicswitch.core.timers import TimerWheel
from cicswitch.sip.events import Event
from cicswitch.sip.flow import Flow
from cicswitch.sip.session import InviteSession
from cicswitch.sip.settings import Settings

__all__ = ["UserAgent"]


class UserAgent:
    """Bytes in, bytes and events out. After every call, and after `wheel.fire`, drain both:

        for flow, data in user_agent.take_outputs(): ...   # send
        for event in user_agent.take_events(): ...         # act

    `overloaded()` gives the Retry-After seconds for new INVITEs, or None; `tap(direction, flow,
    data)` sees every message, direction "in" or "out".
    """

    def __init__(
        self,
        wheel: TimerWheel,
        tokens: Tokens,
        settings: Settings | None = None,
        *,
        overloaded: Callable[[], int | None] | None = None,
        tap: Callable[[str, Flow, bytes], None] | None = None,
    ) -> None:
        self.outputs: list[tuple[Flow, bytes]] = []
        self.events: list[Event] = []
        self.counters: dict[str, int] = {}
        self.overloaded = overloaded
        self.tap = tap

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """One datagram, or one whole message cut from a stream by `framing.StreamFramer`."""
        raise NotImplementedError

    def flow_failed(self, flow: Flow, now: float) -> None:
        """The shell could not send to `flow`, or its connection is gone."""
        raise NotImplementedError

    def take_outputs(self) -> list[tuple[Flow, bytes]]:
        """What is to be sent, in order; the list is the caller's."""
        raise NotImplementedError

    def take_events(self) -> list[Event]:
        """What has happened, in order; the list is the caller's."""
        raise NotImplementedError

    def invite(
        self,
        now: float,
        target: str,
        flow: Flow,
        from_: str,
        to: str = "",
        body: bytes = b"",
        *,
        content_type: str = "application/sdp",
        route: Sequence[str] = (),
        headers: Sequence[tuple[str, str]] = (),
        credentials: Any = None,
        data: Any = None,
    ) -> InviteSession:
        """Call `target` (a URI) by way of `flow`. Without body the offer is delayed.

        `from_` and `to` are name-addrs without tag, such as `"Alice" <sip:alice@example.com>`;
        `to` defaults to the target. `route` is a preloaded route set of name-addrs.
        `credentials` (auth.Credentials) answer one 401 or 407. `data` becomes `session.data`.
        """
        raise NotImplementedError

    def request(
        self,
        now: float,
        method: str,
        target: str,
        flow: Flow,
        from_: str,
        to: str = "",
        *,
        on_final: Callable[..., None],
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> None:
        """A request outside any dialog; `on_final(now, status, response or None)` ends it."""
        raise NotImplementedError

    @property
    def sessions(self) -> int:
        """How many sessions live."""
        raise NotImplementedError
