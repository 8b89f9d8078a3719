"""Mails read from a mailbox (RFC 3501), told of by IDLE (RFC 2177), in a thread of its own.

    connect      → select → catch up with what is there → IDLE → catch up → …
    an error     → wait 1 s, 2 s … 60 s → connect
    a mail       → fetched by UID, unmarked → taken, on disk → marked \\Seen, or moved
    too large, or nobody takes it → \\Flagged, left where it is, counted

A UID means something only beside its UIDVALIDITY: each connection asks for both anew. After a crash
what was taken and not marked is fetched again, and known.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import structlog
from imapclient import IMAPClient, SocketTimeout

from cicswitch.core.errors import CommandError, ResourceError
from cicswitch.mail.settings import ImapSettings

__all__ = ["Mailbox", "tls"]

log = structlog.get_logger("email")

_CONNECT_S, _READ_S = 15.0, 60.0
_LONGEST_WAIT_S: Final = 60.0
_POLL_S: Final = 30.0
"""For servers without IDLE."""
Take = Callable[[bytes], Coroutine[Any, Any, None]]


def tls(ca: str) -> ssl.SSLContext:
    """What servers have to show. Raises `ResourceError`."""
    if ca and not Path(ca).is_file():
        raise ResourceError(f"there is no file {ca}")
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (ssl.SSLError, OSError) as error:
        raise ResourceError(f"{ca}: {error}") from None


class Mailbox:
    """One folder of one server. `take` is called in the loop; the thread waits for it."""

    def __init__(self, settings: ImapSettings, most_bytes: int, take: Take) -> None:
        self.settings = settings
        self._most_bytes = most_bytes
        self._take = take
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._client: IMAPClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.problem = ""
        self.connected = False
        self.refused = 0
        self.reconnections = 0

    def start(self) -> None:
        """Begin; a server that is not there is waited for."""
        self._loop = asyncio.get_running_loop()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="imap", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End. Idempotent."""
        self._stopping.set()
        client = self._client
        if client is not None:
            with contextlib.suppress(Exception):  # whatever it is in the middle of
                client.shutdown()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 10)
            self._thread = None

    async def test(self) -> str:
        """Sign in, and look. Raises `ResourceError`."""

        def work() -> str:
            try:
                with self._connect() as client:
                    found = client.select_folder(self.settings.folder, readonly=True)
                    client.logout()
            except Exception as error:
                raise ResourceError(_told(error)) from None
            return f"{found[b'EXISTS']} mails in {self.settings.folder}"

        return await asyncio.to_thread(work)

    # -- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        wait_s = 1.0
        while not self._stopping.is_set():
            try:
                client = self._client = self._connect()
            except Exception as error:
                # imaplib raises of many kinds for what a server may say or not say.
                self._failed(error)
                self._stopping.wait(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
                continue
            try:
                self._select(client)
                self.connected, self.problem, wait_s = True, "", 1.0
                self._follow(client)
            except Exception as error:
                self._failed(error)
            finally:
                self.connected = False
                with contextlib.suppress(Exception):
                    client.shutdown()
            self.reconnections += 1
            self._stopping.wait(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    def _failed(self, error: Exception) -> None:
        if not self._stopping.is_set():
            self.problem = f"IMAP: {_told(error)}"
            log.warning("imap_failed", server=self.settings.server, error=_told(error))

    def _connect(self) -> IMAPClient:
        settings = self.settings
        context = tls(settings.ca) if settings.security != "none" else None
        client = IMAPClient(
            settings.server,
            port=settings.port,
            ssl=settings.security == "tls",
            ssl_context=context if settings.security == "tls" else None,
            timeout=SocketTimeout(_CONNECT_S, _READ_S),
        )
        try:
            if settings.security == "starttls":
                client.starttls(context)
            client.login(settings.user, settings.password.reveal())
        except BaseException:
            with contextlib.suppress(Exception):
                client.shutdown()
            raise
        return client

    def _select(self, client: IMAPClient) -> None:
        moved = self.settings.move_to
        if moved and not client.folder_exists(moved):
            client.create_folder(moved)
        client.select_folder(self.settings.folder)

    def _follow(self, client: IMAPClient) -> None:
        idles = client.has_capability("IDLE")
        while not self._stopping.is_set():
            wait_s = 1.0
            while not self._catch_up(client):
                if self._stopping.wait(wait_s):
                    return
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            if not idles:
                if self._stopping.wait(min(_POLL_S, self.settings.idle_s)):
                    return
                client.noop()
                continue
            client.idle()
            client.idle_check(timeout=self.settings.idle_s)
            client.idle_done()

    def _catch_up(self, client: IMAPClient) -> bool:
        """Take what is there; False: the switch cannot store it now."""
        wanted = ["UNDELETED", "UNFLAGGED"] if self.settings.move_to else ["UNSEEN", "UNFLAGGED"]
        seen: set[int] = set()
        # Until there is nothing more: of what comes while mails are fetched IDLE tells nothing.
        while left := [each for each in client.search(wanted) if each not in seen]:
            seen.update(left)
            for uid in left:
                if self._stopping.is_set():
                    return True
                found = client.fetch([uid], ["RFC822.SIZE"]).get(uid)
                if found is None:
                    continue  # somebody has taken it away
                try:
                    if found[b"RFC822.SIZE"] > self._most_bytes:
                        raise CommandError("it is too large")
                    raw = client.fetch([uid], ["BODY.PEEK[]"]).get(uid, {}).get(b"BODY[]")
                    if raw is None:
                        continue
                    self._taken(raw)
                except ResourceError as error:
                    if self._stopping.is_set():
                        return True
                    self.problem = str(error)
                    return False
                except CommandError as error:
                    self.refused += 1
                    log.warning("mail_refused", uid=uid, error=str(error))
                    client.add_flags([uid], [b"\\Flagged"])
                    continue
                self.problem = ""
                self._done(client, uid)
        return True

    def _taken(self, raw: bytes) -> None:
        assert self._loop is not None
        if self._stopping.is_set():
            raise ResourceError("the switch stops")
        future = asyncio.run_coroutine_threadsafe(self._take(raw), self._loop)
        while True:
            try:
                future.result(1.0)
                return
            except TimeoutError:
                if future.done() or self._stopping.is_set():
                    future.cancel()
                    raise ResourceError("it was not stored in time") from None

    def _done(self, client: IMAPClient, uid: int) -> None:
        moved = self.settings.move_to
        if not moved:
            client.add_flags([uid], [b"\\Seen"])
        elif client.has_capability("MOVE"):
            client.move([uid], moved)
        else:
            client.copy([uid], moved)
            client.add_flags([uid], [b"\\Deleted"])
            client.expunge([uid] if client.has_capability("UIDPLUS") else None)


def _told(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if text.startswith("b'") and text.endswith("'"):
        text = text[2:-1]
    return " ".join(text.split())[:300]
