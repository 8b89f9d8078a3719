"""Methods about faxes."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from cicswitch.api.shapes.conversations import AttachmentView
from cicswitch.api.shapes.faxes import FaxBody, FaxView
from cicswitch.client.wire import Wire

__all__ = ["FaxCalls"]


class FaxCalls(Wire):
    """Faxes that came, and those that are sent."""

    def faxes(
        self, *, conversation: str = "", channel: str = "", direction: str = "", state: str = ""
    ) -> AsyncIterator[FaxView]:
        """Faxes, the latest first."""
        query = {
            "conversation": conversation,
            "channel": channel,
            "direction": direction,
            "state": state,
        }
        return self.each("/faxes", FaxView, {key: each for key, each in query.items() if each})

    async def fax(self, fax: str) -> FaxView:
        """A fax."""
        return await self.call("GET", "/faxes/{fax}", FaxView, fax=fax)

    async def fax_page(self, fax: str, page: int, *, width: int = 864) -> bytes:
        """A page of it, a PNG."""
        path = f"/faxes/{{fax}}/pages/{{page}}?width={width}"
        return await self.fetch(path, {}, fax=fax, page=str(page))

    async def upload_document(
        self, name: str, file: bytes | AsyncIterable[bytes]
    ) -> AttachmentView:
        """Upload a document, for a fax that is sent within a day."""
        return await self.send("POST", "/faxes/documents", AttachmentView, file, {"name": name})

    async def send_fax(self, fax: FaxBody) -> FaxView:
        """Send a fax; it is on disk when this returns. `documents` are digests of uploads."""
        return await self.call("POST", "/faxes", FaxView, body=fax)
