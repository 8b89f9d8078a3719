"""The API of a switch: its parts put together, with what they ask of the other shells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import msgspec

from cicswitch.api.accounts.directory import Directory
from cicswitch.api.context import Api, Sources
from cicswitch.api.metrics import registry_of
from cicswitch.api.server import ApiServer
from cicswitch.api.snapshot import health, quality_of
from cicswitch.chat import Chat
from cicswitch.config import check, default_path, load
from cicswitch.core.errors import CicError, NotFound, ResourceError
from cicswitch.core.toml import Finding
from cicswitch.customers import Customers
from cicswitch.documents import Documents
from cicswitch.legs.sip.ladder import parse_ladder
from cicswitch.prompts import Prompts
from cicswitch.recordings import Recordings
from cicswitch.records.report import ServiceLevel
from cicswitch.reporting import ReportRequest, limits_of
from cicswitch.runtime.aside import aside
from cicswitch.runtime.place import Place, text_of
from cicswitch.store.quality import kept
from cicswitch.store.reader import reading
from cicswitch.store.traces import find
from cicswitch.terminal.trace import rows
from cicswitch.webhooks import Webhooks

if TYPE_CHECKING:
    from cicswitch.daemon import Switch

__all__ = ["Web"]

_REPORT_S = 120.0
_REPORTS = 8


class Web:
    """The API of a switch that runs, and its webhooks: `start` and `stop`, both idempotent."""

    def __init__(self, switch: Switch, webhooks: Webhooks | None = None) -> None:
        config = switch.config
        self._switch = switch
        self._reports = asyncio.Lock()
        self._waiting = 0
        self.directory = Directory(
            config.path(config.http.accounts),
            idle_s=config.http.session_idle_s,
            session_s=config.http.session_max_s,
        )
        self.recordings = Recordings(lambda: switch.place)
        self.customers = Customers(lambda: switch.place)
        self.documents = Documents(lambda: switch.file, lambda: switch.config, self.reload)
        self.chat = Chat(switch.store, lambda: switch.place, switch.clock.now)
        self.webhooks = webhooks or Webhooks(switch)
        sources = Sources(
            *(self.report, self.trace, self.quality, self.check, self.reload),
            recordings=self.recordings,
            customers=self.customers,
            documents=self.documents,
            webhooks=self.webhooks,
            prompts=Prompts(switch),
            chat=self.chat,
        )
        self.api = Api(switch, self.directory, sources)
        endpoint = config.http_endpoint()
        self.server = ApiServer(
            endpoint.host,
            endpoint.port,
            self.api,
            lambda: health(switch),
            registry_of(switch, self.webhooks),
        )
        self.set_up_code = ""
        """What makes the first administrator; empty if there are accounts."""
        self._started = False

    async def start(self) -> None:
        """Open the accounts and listen. Raises `ResourceError` in one line."""
        if self._started:
            return
        self.set_up_code = await self.directory.open()
        try:
            await self.webhooks.start()
            await self.server.start()
        except CicError:
            await self.webhooks.stop()
            await self.directory.close()
            raise
        self._switch.on_reload.append(self.server.configure)
        self._started = True

    async def stop(self) -> None:
        """Close. Idempotent."""
        if not self._started:
            return
        self._started = False
        self._switch.on_reload.remove(self.server.configure)
        await self.server.stop()
        await self.webhooks.stop()
        await self.directory.close()
        self.recordings.close()
        self.customers.close()
        self.chat.close()

    # -- what the API asks of other shells -------------------------------------------------------

    async def report(self, asked: dict[str, Any]) -> bytes:
        """Figures of a period, by a process of its own; one works at a time."""
        if self._waiting >= _REPORTS:
            raise ResourceError(f"{_REPORTS} reports wait already")
        config = self._switch.config
        request = ReportRequest(
            store=text_of(self._switch.place),
            limits=limits_of(config),
            begin=asked["begin"],
            end=asked["end"],
            service_level=cast(ServiceLevel, asked["service_level"]),
            by=asked["by"],
            interval_s=asked["interval_s"],
        )
        self._waiting += 1
        try:
            async with self._reports:
                return await _computed(msgspec.json.encode(request))
        finally:
            self._waiting -= 1

    async def trace(self, call: str) -> list[dict[str, Any]]:
        """The SIP messages of a call, live or ended. Raises `NotFound`."""
        switch = self._switch
        ladders = [
            (leg.id, switch.sip.ladder.raw(leg.sip_call_id))
            for each in switch.conductor.calls.values()
            for leg in (each.customer, each.other, *each.ringing.values())
            if leg is not None and call in (each.id, leg.id, leg.sip_call_id)
        ]
        if not ladders:
            ladders = await asyncio.to_thread(_kept, switch.place, call)
        if not ladders:
            raise NotFound(f'no messages of a call "{call[:120]}" are kept')
        return rows((leg, parse_ladder(ladder)) for leg, ladder in ladders)

    async def quality(self, call: str) -> list[dict[str, Any]]:
        """How the legs of a call sound: live ones as of their last report, ended ones by CDR."""
        live = quality_of(self._switch, call)
        names = {each["leg"] for each in live}
        ended = await asyncio.to_thread(_sounded, self._switch.place, call)
        return [*(each for each in ended if each["leg"] not in names), *live]

    async def check(self, text: str) -> list[Finding]:
        """Findings of a candidate configuration."""
        return await asyncio.to_thread(
            lambda: check(self._switch.file or default_path(), text=text)
        )

    async def reload(self) -> list[str]:
        """Read the file off the loop, and take it over in it. Raises `ConfigError`."""
        file = self._switch.file
        if file is None:
            return ["this switch was not started from a file"]
        config = await asyncio.to_thread(load, file)
        return self._switch.reload(config)


def _sounded(place: Place, call: str) -> list[dict[str, Any]]:
    with reading(place) as db:
        return kept(db, call)


def _kept(place: Place, call: str) -> list[tuple[str, bytes]]:
    with reading(place) as db:
        legs = db.execute(
            "SELECT leg, ended_at FROM leg WHERE interaction = ? OR leg = ? OR sip_call_id = ?"
            " ORDER BY started_at LIMIT 100",
            (call, call, call),
        ).fetchall()
        return [(leg, steps) for leg, ended_at in legs for steps in find(db, leg, ended_at)]


async def _computed(request: bytes) -> bytes:
    made, wrong = await aside("cicswitch.reporting", request, "the report", _REPORT_S)
    if wrong:
        raise ResourceError(wrong)
    return made
