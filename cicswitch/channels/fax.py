"""Faxes as a channel: what comes by a call becomes a contact, what agents write goes by a call.

    FOLDER/in/ID.json      a fax that came or comes: its call, and at its end the result
    FOLDER/in/ID.tif       its pages, as they came
    FOLDER/out/ID.tif      pages to be sent
    FOLDER/out/ID.done     the result of one that the far end has confirmed

In: the files stay until the fax is in the store of attachments and its contact on disk, so a crash
at any moment brings it again; it is accepted once, because the name of its call is what the medium
knows it by. Out: the media worker writes `done` before anybody is told of a confirmation. Who finds
it does not send again, and the outbox is cleared then.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from time import localtime, strftime
from typing import Any, Final, TypeVar

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from cicswitch.config import ChannelConfig
from cicswitch.contacts.faxes import FaxJob, FaxResult, FaxSettings
from cicswitch.contacts.messages import Attachment, First, Incoming, Outgoing
from cicswitch.core.errors import CicError, CommandError, Later, NotReached, ResourceError
from cicswitch.paper import Cover, Document, pdf_of, to_fax
from cicswitch.ports import (
    Archive,
    ChannelHost,
    FaxCall,
    News,
    Undeliverable,
)
from cicswitch.records.rows import FaxRecord

__all__ = ["Fax"]

log = structlog.get_logger("fax")

T = TypeVar("T")
OURS: Final = -1
_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")
_AGAIN_S = 30.0
"""Until what could not be stored is tried again."""
_NEVER: Final = ("not-found", "rejected")
"""Why a number is not tried again."""
_STOPPED: Final = "the switch was stopped while it came"


class _Came(Struct, frozen=True):
    """`in/ID.json`."""

    call: FaxCall
    result: FaxResult | None = None


_came: Final = msgspec.json.Decoder(_Came).decode
_result: Final = msgspec.json.Decoder(FaxResult).decode
_encode: Final = msgspec.json.Encoder().encode


def told(record: FaxRecord) -> tuple[str, str]:
    """Subject and text of what who has ordered a fax is told at its end."""
    result = _result(record.result) if record.result else None
    pages = result.pages if result is not None else ()
    count = f"{len(pages)} page" + "s" * (len(pages) != 1)
    tries = f"{record.attempts} attempt" + "s" * (record.attempts != 1)
    if record.state == "sent":
        subject = f"Fax to {record.number}: sent, {count}"
        lines = [f"Your fax to {record.number} was sent: {count}, {tries}."]
    else:
        subject = f"Fax to {record.number}: not sent"
        lines = [f"Your fax to {record.number} was not sent: {record.cause}.", f"{tries}, {count}."]
    for page in pages:
        rows = f", {page.bad_rows} bad rows" if page.bad_rows else ""
        ecm = ", error correction" if page.ecm else ""
        lines.append(
            f"Page {page.number}: {page.width} x {page.length} dots, {page.bit_rate} bit/s, "
            f"{page.encoding}{ecm}{rows}"
        )
    return subject, "\n".join(lines)


class Fax:
    """`ports.FaxChannel` of type `fax`."""

    def __init__(
        self, name: str, config: ChannelConfig, host: ChannelHost, archive: Archive
    ) -> None:
        self.name = name
        self.medium, self.live, self.stored = "fax", False, False
        self.queue = config.queue
        self.silent_s, self.end_s = config.silent_s, config.end_s
        self.away_s = float(config.away_s)
        try:
            self.settings = msgspec.convert(config.settings, FaxSettings, strict=True)
        except msgspec.ValidationError as error:
            raise ResourceError(f'channel "{name}": settings: {error}') from None
        self._host = host
        self._archive = archive
        self._folder = host.path(self.settings.directory) / name
        self._lines = asyncio.Semaphore(self.settings.lines)
        self._going = 0
        self._taking: set[asyncio.Task[None]] = set()
        self._coming: set[str] = set()
        self._problem = self._mail_problem = ""

    async def start(self) -> None:
        """Make the folders; take up what the run before has left. Raises `ResourceError`."""
        try:
            for each in ("in", "out"):
                await self._disk(lambda each=each: self._make(each))  # type: ignore[misc]  # no type for it
            left = await self._disk(self._left)
        except OSError as error:
            raise ResourceError(f'channel "{self.name}": {error}') from None
        for path in left:
            self._take_later(path, 0.0)

    def _take_later(self, path: Path, after_s: float) -> None:
        task = asyncio.create_task(self._take_up(path, after_s), name=f"fax {path.stem}")
        self._taking.add(task)

    def _make(self, name: str) -> None:
        (self._folder / name).mkdir(parents=True, exist_ok=True)

    def _left(self) -> list[Path]:
        return sorted((self._folder / "in").glob("*.json"))

    async def stop(self) -> None:
        """Take up nothing more; calls end by themselves."""
        for task in list(self._taking):
            task.cancel()
        self._taking.clear()

    # -- in ------------------------------------------------------------------------------------

    def receives(self, call: FaxCall) -> FaxJob:
        """See `ports.FaxChannel`."""
        self._coming.add(call.interaction)
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().run_in_executor(None, self._note, _Came(call))
        return self._job(receive=str(self._folder / "in" / f"{call.interaction}.tif"))

    def _job(self, **changes: Any) -> FaxJob:
        settings = self.settings
        return FaxJob(
            ident=settings.ident or settings.caller,
            header=settings.header,
            ecm=settings.ecm,
            modems=settings.modems,
            most_pages=settings.most_pages,
            most_s=settings.most_s,
            **changes,
        )

    def _note(self, came: _Came) -> None:
        path = self._folder / "in" / f"{came.call.interaction}.json"
        try:
            path.with_suffix(".new").write_bytes(_encode(came))
            path.with_suffix(".new").replace(path)
        except OSError as error:
            self._problem = f"{path.parent}: {error.strerror}"
            log.error("fax_not_noted", channel=self.name, error=str(error.strerror))

    async def received(self, call: FaxCall, result: FaxResult) -> None:
        """See `ports.FaxChannel`."""
        await self._disk(lambda: self._note(_Came(call, result)))
        try:
            await self._take(call, result)
        except ResourceError as error:
            self._problem = str(error)
            self._take_later(self._folder / "in" / f"{call.interaction}.json", _AGAIN_S)
            raise
        finally:
            self._coming.discard(call.interaction)

    async def _take_up(self, path: Path, after_s: float) -> None:
        """What a run before has left, or what could not be stored."""
        try:
            await asyncio.sleep(after_s)
            came = _came(await self._disk(path.read_bytes))
            result = came.result or FaxResult(ok=False, code=OURS, cause=_STOPPED)
            while came.call.interaction not in self._coming:
                try:
                    await self._take(came.call, result)
                    return
                except ResourceError as error:
                    self._problem = str(error)
                    await asyncio.sleep(_AGAIN_S)
        except (CicError, msgspec.MsgspecError, OSError) as error:
            self._problem = f"{path.name} cannot be taken up: {error}"
            log.error("fax_left", channel=self.name, fax=path.stem, error=str(error))
        finally:
            task = asyncio.current_task()
            if task is not None:
                self._taking.discard(task)

    async def _take(self, call: FaxCall, result: FaxResult) -> None:
        """Into the store, and into its queue; the files go last."""
        tiff = self._folder / "in" / f"{call.interaction}.tif"
        made = tiff.with_suffix(".pdf")
        pages = 0
        if await self._disk(tiff.exists):
            try:
                pages = await pdf_of(tiff, made)
            except CommandError as error:
                log.info("fax_without_pages", interaction_id=call.interaction, reason=str(error))
        if pages:
            stamp = strftime("%Y%m%d-%H%M%S", localtime(call.at))
            files = []
            for path in (made, tiff):
                data = await self._disk(path.read_bytes)
                files.append(
                    await self._archive.attachments.keep(data, f"fax-{stamp}{path.suffix}")
                )
            await self._accept(call, result, pages, tuple(files))
        self._problem = ""
        for path in (made, tiff, tiff.with_suffix(".json"), tiff.with_suffix(".new")):
            await self._disk(lambda path=path: path.unlink(missing_ok=True))  # type: ignore[misc]  # no type for it

    async def _accept(
        self, call: FaxCall, result: FaxResult, pages: int, files: tuple[Attachment, ...]
    ) -> None:
        count = f"{pages} page" + "s" * (pages != 1)
        sender = result.ident or call.caller or "an unknown number"
        subject = f"Fax, {count} from {sender}"
        text = f"{subject}."
        if not result.ok:
            subject = f"Part of a fax, {count} from {sender}"
            text = f"{subject}. It is not complete: {result.cause}."
        accepted = await self._host.accept(
            self,
            Incoming(
                customer=call.caller or "anonymous",
                called=call.called,
                name=call.caller_name,
                text=text,
                subject=subject,
                external=call.interaction,
                language=call.language,
                context={
                    "fax_pages": str(pages),
                    "fax_ident": result.ident,
                    "fax_complete": "yes" if result.ok else "no",
                },
                attachments=files,
            ),
        )
        self._host.fax_kept(
            FaxRecord(
                id=call.interaction,
                direction="in",
                channel=self.name,
                conversation=accepted.conversation,
                message=accepted.message,
                number=call.caller,
                called=call.called,
                at=call.at,
                updated_at=call.at + result.seconds,
                state="received" if result.ok else "partial",
                attempts=1,
                pages=pages,
                cause=result.cause,
                tiff=files[1].digest,
                pdf=files[0].digest,
                result=_encode(result).decode(),
            )
        )
        await self._host.stored()
        await self._mail(
            call, files[0], subject, f"{text}\nIt was sent to {call.called or 'us'} by {sender}."
        )

    async def _mail(self, call: FaxCall, pdf: Attachment, subject: str, text: str) -> None:
        """To whom it goes as a mail: once, by the name of the fax and the address."""
        settings = self.settings
        when = strftime("%Y-%m-%d %H:%M", localtime(call.at))
        for address in settings.email_to:
            first = First(
                customer=address,
                subject=subject,
                text=f"{text}\nIt came at {when}.",
                external=f"fax {call.interaction} {address.lower()}",
                attachments=(pdf,),
            )
            try:
                await self._host.write_first(settings.email, first)
            except CommandError as error:
                # The fax is where it belongs all the same.
                self._mail_problem = f"a fax could not be mailed: {error}"
                log.error("fax_not_mailed", channel=self.name, error=str(error))

    # -- out -----------------------------------------------------------------------------------

    async def deliver(self, out: Outgoing) -> None:
        """Call, send, and say how it went. Never twice what the far end has confirmed."""
        settings = self.settings
        path = self._folder / "out" / f"{out.message.id}.tif"
        done = path.with_suffix(".done")
        record = await self._archive.fax(out.message.id) or FaxRecord(
            id=out.message.id,
            direction="out",
            channel=self.name,
            conversation=out.message.conversation,
            message=out.message.id,
            number=out.customer,
            called=settings.caller,
            at=out.message.at,
            updated_at=out.message.at,
            state="waiting",
        )
        if record.state == "sent":
            await self._report(out, record)
            return
        confirmed = await self._confirmed(done)
        if confirmed is None:
            if not settings.trunk:
                await self._failed(out, record, f'channel "{self.name}" has no trunk to send by')
            if not _NUMBER.fullmatch(out.customer):
                await self._failed(out, record, "that is no number that can be called")
            pages = await self._pages(out, path, record)
            record = replace(record, pages=pages)
            async with self._lines:
                self._going += 1
                try:
                    confirmed = await self._send(out, path, done, record)
                finally:
                    self._going -= 1
        record = replace(
            record,
            state="sent",
            cause="OK",
            attempts=record.attempts + 1,
            pages=len(confirmed.pages),
            result=_encode(confirmed).decode(),
        )
        with contextlib.suppress(CicError, OSError):
            data = await self._disk(path.read_bytes)
            kept = await self._archive.attachments.keep(data, "fax.tif")
            record = replace(record, tiff=kept.digest)
        self._host.fax_kept(record)
        await self._host.stored()
        await self._report(out, record)
        for each in (path, done):
            await self._disk(lambda each=each: each.unlink(missing_ok=True))  # type: ignore[misc]  # no type for it

    async def _failed(self, out: Outgoing, record: FaxRecord, cause: str) -> None:
        await self._report(out, replace(record, state="failed", cause=cause))
        self._host.fax_kept(replace(record, state="failed", cause=cause))
        raise Undeliverable(cause)

    async def _report(self, out: Outgoing, record: FaxRecord) -> None:
        """Tell who has ordered it by mail how it went; once."""
        channel, to = out.data.get("mail", ""), out.data.get("mail_to", "")
        if not channel or not to:
            return
        subject, text = told(record)
        name = out.data.get("mail_id", "")
        first = First(
            customer=to,
            subject=subject,
            text=text,
            external=f"fax {record.id} {record.state} {record.attempts}",
            data={"id": name} if name else {},
        )
        try:
            await self._host.write_first(channel, first)
        except CommandError as error:
            self._mail_problem = f"a result could not be mailed: {error}"
            log.error("fax_not_reported", channel=self.name, error=str(error))

    async def _confirmed(self, done: Path) -> FaxResult | None:
        try:
            return _result(await self._disk(done.read_bytes))
        except (OSError, msgspec.MsgspecError):
            return None

    async def _pages(self, out: Outgoing, path: Path, record: FaxRecord) -> int:
        """The pages, made once. Raises `Undeliverable` for what makes none."""
        message = out.message
        documents: list[Document] = []
        given: list[Path] = []
        try:
            for number, file in enumerate(message.attachments):
                data = await self._archive.attachments.read(file.digest)
                place = path.with_name(f"{message.id}-{number}")
                await self._disk(lambda place=place, data=data: place.write_bytes(data))  # type: ignore[misc]  # no type for it
                given.append(place)
                documents.append(Document(str(place), file.name))
            cover = None
            if out.data.get("cover") == "yes" or (message.text.strip() and not out.data):
                cover = Cover(
                    to=out.data.get("to", "") or out.customer,
                    sender=out.data.get("from", "") or out.name or self.settings.caller,
                    subject=out.subject,
                    date=strftime("%Y-%m-%d %H:%M", localtime(message.at)),
                    text=message.text,
                )
            return await to_fax(documents, path, cover=cover, most_pages=self.settings.most_pages)
        except CommandError as error:
            await self._failed(out, record, str(error))
            raise AssertionError from None  # _failed raises
        except OSError as error:
            raise ResourceError(f"{path.parent}: {error.strerror}") from None
        finally:
            for place in given:
                await self._disk(lambda place=place: place.unlink(missing_ok=True))  # type: ignore[misc]  # no type for it

    async def _send(self, out: Outgoing, path: Path, done: Path, record: FaxRecord) -> FaxResult:
        settings = self.settings
        self._host.fax_kept(replace(record, state="sending"))
        job = replace(self._job(send=str(path)), calling=True, done=str(done))
        header = out.data.get("header", "")
        if header:
            job = replace(job, header=header[:50])
        attempts = record.attempts + 1
        never, result = False, None
        try:
            target = f"{settings.trunk}:{out.customer}"
            result = await self._host.send_fax(self, target, settings.caller, job, settings.ring_s)
            cause = result.cause
        except NotReached as error:
            cause, never = f"not reached: {error.reason}", error.reason in _NEVER
        except CommandError as error:
            cause = str(error)
        if result is not None and result.ok:
            return result
        record = replace(
            record,
            attempts=attempts,
            cause=cause,
            result=_encode(result).decode() if result is not None else record.result,
        )
        if never or attempts >= settings.attempts:
            await self._failed(out, record, cause)
        self._host.fax_kept(replace(record, state="waiting"))
        raise Later(cause, min(settings.retry_s * 2.0 ** (attempts - 1), 3600.0))

    # -- and else --------------------------------------------------------------------------------

    def told(self, conversation: str, news: News) -> None:
        """Nobody reads along."""

    def state(self) -> dict[str, str | int | float]:
        """See `ports.Channel`."""
        return {
            "coming": len(self._coming),
            "going": self._going,
            "problem": self._problem or self._mail_problem,
        }

    async def test(self) -> str:
        """See `ports.Channel`."""
        return f"faxes go by {self.settings.trunk}" if self.settings.trunk else "faxes only come"

    async def _disk(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)
