"""Methods about the switch: trunks, devices, codes, webhooks, configuration, reports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

from cicswitch.api.shapes.configuration import Candidate, Codes, Findings, Reloaded
from cicswitch.api.shapes.documents import (
    DocumentSaved,
    DocumentText,
    DocumentView,
    NamedDocument,
    NewDocument,
)
from cicswitch.api.shapes.phone import PhoneSettings
from cicswitch.api.shapes.reports import ReportView
from cicswitch.api.shapes.trunks import DeviceView, TrunkView
from cicswitch.api.shapes.webhooks import WebhookTested, WebhookView
from cicswitch.client.wire import Wire
from cicswitch.records.report import ServiceLevel

__all__ = ["PlantCalls"]


class PlantCalls(Wire):
    """Trunks, devices, codes, webhooks, configuration, reports."""

    def trunks(self) -> AsyncIterator[TrunkView]:
        """All trunks by name."""
        return self.each("/trunks", TrunkView)

    async def trunk(self, trunk: str) -> TrunkView:
        """A trunk."""
        return await self.call("GET", "/trunks/{trunk}", TrunkView, trunk=trunk)

    def devices(self) -> AsyncIterator[DeviceView]:
        """All devices by number."""
        return self.each("/devices", DeviceView)

    async def phone(self) -> PhoneSettings:
        """How a browser becomes the phone of whose token this is."""
        return await self.call("GET", "/phone", PhoneSettings)

    async def health(self) -> dict[str, Any]:
        """`ok`, `degraded` with its reasons, `draining`, `uptime_s`, `calls`. Degraded is an answer
        and no error."""
        return dict(await self.state("/health"))

    async def codes(self) -> Codes:
        """Pause codes, wrap-up codes and skills."""
        return await self.call("GET", "/codes", Codes)

    def webhooks(self) -> AsyncIterator[WebhookView]:
        """All webhooks by name, and how they do."""
        return self.each("/webhooks", WebhookView)

    async def webhook(self, webhook: str) -> WebhookView:
        """A webhook."""
        return await self.call("GET", "/webhooks/{webhook}", WebhookView, webhook=webhook)

    async def test_webhook(self, webhook: str) -> WebhookTested:
        """Send a test message now, once."""
        path = "/webhooks/{webhook}/test"
        return await self.call("POST", path, WebhookTested, webhook=webhook)

    async def enable_webhook(self, webhook: str) -> WebhookView:
        """Send again to a receiver that has answered 410."""
        path = "/webhooks/{webhook}/enable"
        return await self.call("POST", path, WebhookView, webhook=webhook)

    async def configuration(self, *, section: str = "") -> dict[str, Any]:
        """The configuration as it is now, with the defaults; secrets are `…`."""
        return await self.call("GET", "/configuration", dict[str, Any], query={"section": section})

    async def check_configuration(self, text: str) -> Findings:
        """What is wrong with a configuration that might be, as TOML. Nothing is changed."""
        path = "/configuration/check"
        return await self.call("POST", path, Findings, body=Candidate(text), keyed=False)

    def documents(self) -> AsyncIterator[NamedDocument]:
        """The files of the configuration by name."""
        return self.each("/configuration/documents", NamedDocument)

    async def document(self, document: str) -> DocumentView:
        """A file of the configuration with its text."""
        path = "/configuration/documents/{document}"
        return await self.call("GET", path, DocumentView, document=document)

    async def check_document(self, document: str, text: str) -> Findings:
        """What would be wrong with the whole configuration if this text stood there."""
        path, body = "/configuration/documents/{document}/check", DocumentText(text)
        return await self.call("POST", path, Findings, body=body, keyed=False, document=document)

    async def save_document(self, document: str, text: str, *, tag: Any = None) -> DocumentSaved:
        """Put a text there and take it over; with a mistake in it nothing changes. `tag` is what
        was read: nobody else's change is written over then."""
        path, body = "/configuration/documents/{document}", DocumentText(text)
        return await self.call("PUT", path, DocumentSaved, body=body, tag=tag, document=document)

    async def create_document(self, document: str, text: str | None = None) -> DocumentView:
        """Make a dialplan and take it over; without a text it is a template's."""
        path, body = "/configuration/documents", NewDocument(document, text)
        return await self.call("POST", path, DocumentView, body=body)

    async def delete_document(self, document: str, *, tag: Any = None) -> DocumentSaved:
        """Remove a dialplan that nobody needs."""
        path = "/configuration/documents/{document}"
        return await self.call("DELETE", path, DocumentSaved, tag=tag, document=document)

    async def reload_configuration(self) -> Reloaded:
        """Take over the changed file; with a mistake in it nothing changes."""
        return await self.call("POST", "/configuration/reload", Reloaded)

    async def report(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        by: Literal["queue", "segment"] = "queue",
        service_level: ServiceLevel = "answered_or_abandoned",
        interval_s: int = 0,
    ) -> ReportView:
        """Figures of a period, in seconds of the epoch; by default of today."""
        query = {
            "since": since,
            "until": until,
            "by": by,
            "service_level": service_level,
            "interval_s": interval_s,
        }
        return await self.call("GET", "/reports", ReportView, query=query)
