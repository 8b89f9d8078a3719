"""Trunks: which peer a request comes from, what its numbers mean, and whether it is alive.

A trunk whose address is a host name has no `remote` until its name is resolved, and is down until
then. It is moved when its name leads elsewhere, or, while it is down, to the next of its addresses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog

from cicswitch.config import TrunkConfig
from cicswitch.sip.auth import Credentials
from cicswitch.sip.registration import Ping, Registration, RegistrationState

if TYPE_CHECKING:
    from cicswitch.core.timers import Timer
    from cicswitch.sip.flow import Flow
    from cicswitch.sip.user_agent import UserAgent

__all__ = ["Trunk", "Trunks", "international"]

log = structlog.get_logger("trunk")


@lru_cache(maxsize=65536)
def international(number: str, country: str) -> str:
    """A number in E.164 (`+8212345678`) if it is a valid one of `country`, else unchanged."""
    import phonenumbers  # first use costs tens of milliseconds and many need it never

    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return number
    if not phonenumbers.is_valid_number(parsed):
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


class Trunk:
    """One trunk: its configuration, its address, and what keeps it alive."""

    __slots__ = (
        "addresses",
        "calls",
        "config",
        "credentials",
        "endpoint",
        "flow",
        "name",
        "ping",
        "problem",
        "registration",
        "remote",
        "resolver",
    )

    def __init__(self, name: str, config: TrunkConfig) -> None:
        self.name = name
        self.config = config
        self.endpoint = endpoint = config.endpoint()
        self.addresses: tuple[str, ...] = () if endpoint.named else (endpoint.host,)
        """All that is known to be the peer."""
        self.remote: tuple[str, int] | None = (
            None
            if endpoint.named
            else (
                endpoint.host,
                endpoint.port,
            )
        )
        """Where it is called."""
        self.problem = "its name is being looked up" if endpoint.named else ""
        """Why nobody can be called there, apart from what ping and registration know."""
        self.resolver: Timer | None = None
        self.flow: Flow | None = None
        self.calls = 0
        password = config.password.reveal()
        self.credentials = Credentials(config.username, password) if config.username else None
        self.registration: Registration | None = None
        self.ping: Ping | None = None

    @property
    def up(self) -> bool:
        """Whether calls can go out: nothing is known against it."""
        if self.flow is None:
            return False
        if self.registration is not None and self.registration.state is RegistrationState.FAILED:
            return False
        return self.ping is None or self.ping.up is not False

    def inbound(self, number: str) -> str:
        """A number that came in, as the dialplan shall see it."""
        config = self.config
        number = number.removeprefix(config.inbound_strip)
        number = config.inbound_prefix + number if number else number
        return international(number, config.country) if config.country else number

    def outbound(self, number: str) -> str:
        """A number that goes out, as the peer wants it."""
        return self.config.prefix + number.removeprefix(self.config.strip)

    def uri(self, number: str) -> str:
        """A Request-URI at the peer, by its name if it has one."""
        return f"sip:{number}@{self.host}:{self.endpoint.port}"

    @property
    def host(self) -> str:
        """The host as configured, as a URI has it."""
        host = self.endpoint.host
        return f"[{host}]" if ":" in host else host

    @property
    def reason(self) -> str:
        """Why it is down."""
        return self.problem or "it does not answer, or refuses our registration"

    def next_address(self, usable: Sequence[str]) -> str:
        """Which of its addresses to call: the one in use while that works, else the one after it.

        "" if there is none.
        """
        current = self.remote[0] if self.remote is not None else ""
        if current not in usable:
            return usable[0] if usable else ""
        if self.up:
            return current
        return usable[(usable.index(current) + 1) % len(usable)]

    def start(self, agent: UserAgent, flow: Flow, now: float, changed: Callable[[], None]) -> None:
        """Register and ping as configured, at another place than before if `flow` says so."""
        self._quit(now)
        self.flow, self.remote, self.problem = flow, flow.remote, ""
        self.registration = self.ping = None
        config, host, port = self.config, self.host, self.endpoint.port
        domain = config.from_domain or config.realm or host
        if config.register and self.credentials is not None:

            def registered(now: float, registration: Registration) -> None:
                state = registration.state.value
                log.info("trunk_registration", trunk=self.name, state=state)
                changed()

            self.registration = Registration(
                agent,
                f"sip:{domain}:{port}" if domain == host else f"sip:{domain}",
                f"<sip:{config.username}@{domain}>",
                flow,
                self.credentials,
                contact_user=config.username,
                expires_s=config.expires_s,
                on_change=registered,
            )
            self.registration.start(now)
        if config.options_s:

            def pinged(now: float, up: bool) -> None:
                log.log(20 if up else 30, "trunk_up" if up else "trunk_down", trunk=self.name)
                changed()

            self.ping = Ping(
                agent,
                f"sip:{host}:{port}",
                flow,
                interval_s=config.options_s,
                on_change=pinged,
            )
            self.ping.start(now)

    def stop(self, now: float) -> None:
        """Unregister, stop pinging, look up no more. Idempotent."""
        if self.resolver is not None:
            self.resolver.cancel()
            self.resolver = None
        self._quit(now)

    def _quit(self, now: float) -> None:
        if self.ping is not None:
            self.ping.stop()
        if self.registration is not None:
            self.registration.stop(now)


class Trunks:
    """All trunks: by name, and by where a request comes from."""

    def __init__(self, trunks: dict[str, TrunkConfig]) -> None:
        self.by_name: dict[str, Trunk] = {}
        self._by_remote: dict[tuple[str, int], Trunk] = {}
        self._by_host: dict[str, Trunk] = {}
        self._networks: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, Trunk]] = []
        self._cache: dict[str, Trunk | None] = {}
        for name, config in trunks.items():
            self.add(Trunk(name, config))

    def add(self, trunk: Trunk) -> None:
        """Take in a trunk, in place of one of the same name."""
        self.by_name[trunk.name] = trunk
        self.index()

    def remove(self, name: str) -> Trunk | None:
        """Forget a trunk."""
        trunk = self.by_name.pop(name, None)
        self.index()
        return trunk

    def index(self) -> None:
        """Note where trunks are: after one was added, removed or moved."""
        trunks = self.by_name.values()
        places = [(address, trunk) for trunk in trunks for address in trunk.addresses]
        self._by_remote = {(address, trunk.endpoint.port): trunk for address, trunk in places}
        self._by_host = {
            address: trunk for address, trunk in places if trunk.endpoint.transport == "tcp"
        }
        self._networks = [
            (ipaddress.ip_network(network, strict=False), trunk)
            for trunk in trunks
            for network in trunk.config.accept
        ]
        self._cache.clear()

    def find(self, flow: Flow) -> Trunk | None:
        """The trunk that a request over `flow` comes from: its address and port, or its networks.

        On a stream the peer's port says nothing, so its address alone is looked at.
        """
        trunk = self._by_remote.get(flow.remote)
        if trunk is not None:
            return trunk
        host = flow.remote[0]
        if flow.listener.reliable and (trunk := self._by_host.get(host)) is not None:
            return trunk
        if host not in self._cache:
            if len(self._cache) > 10_000:
                self._cache.clear()
            address = ipaddress.ip_address(host.partition("%")[0])
            self._cache[host] = next(
                (trunk for network, trunk in self._networks if address in network), None
            )
        return self._cache[host]
