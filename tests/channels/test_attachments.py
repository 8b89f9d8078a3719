"""Files of messages: kept whole, given out safely, scanned, swept."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cicswitch.attachments.clamd import finding, place, stream
from cicswitch.attachments.files import DAY_S, Attachments
from cicswitch.attachments.kinds import kind_of, safe_name
from cicswitch.config import AttachmentsConfig
from cicswitch.contacts.messages import Attachment, Incoming
from cicswitch.core.errors import (
    CicError,
    CommandError,
    Conflict,
    NotFound,
    ResourceError,
    TooLarge,
)
from cicswitch.store.sqlite import SqliteDatabase
from tests.api.served import EXTRA, problem
from tests.channels.test_chat import CHANNELS, chatting, taken
from tests.support.chat import Visitor
from tests.support.ports import free_port

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
    b"\x1f\x15\xc4\x89"
)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
CLAMD = shutil.which("clamd")


def digest_of(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


# -- what a file is ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\0", "image/jpeg"),
        (b"GIF89a" + bytes(20), "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(20), "image/webp"),
        (b"\x89PNG\r\n\x1a\n<html>", "application/octet-stream"),
        (b"%PDF-1.4\n", "application/pdf"),
        (SVG, "image/svg+xml"),
        (b"<html><body>", "text/html"),
        (b"plain words", "text/plain"),
        ("안녕".encode()[:-1], "text/plain"),
        (b"\x00\x01\x02\x03", "application/octet-stream"),
        (b"", "text/plain"),
    ],
)
def test_a_file_is_what_its_bytes_say(head: bytes, kind: str) -> None:
    assert kind_of(head) == kind


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\a.txt", "a.txt"),
        ("...", "file"),
        ("", "file"),
        ("a\r\nSet-Cookie: x.txt", "aSet-Cookie_ x.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("계약서.pdf", "계약서.pdf"),
        ("\ud800.txt", "_.txt"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
    ],
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_what_is_said_to_the_scanner() -> None:
    sent = b"".join(stream([b"ab", b"", b"c"]))
    assert sent == b"zINSTREAM\0\0\0\0\x02ab\0\0\0\x01c\0\0\0\0"
    assert finding(b"stream: OK\0") == ""
    assert finding(b"stream: Eicar-Signature FOUND\0") == "Eicar-Signature"
    for reply in (b"", b"INSTREAM size limit exceeded. ERROR\0", b"\xff"):
        with pytest.raises(ResourceError):
            finding(reply)
    assert place("unix:/run/clamd") == "/run/clamd"
    assert place("tcp:[::1]:3310") == ("::1", 3310)


# -- on disk -------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def files(folder: Path, **config: Any) -> AsyncIterator[Attachments]:
    found = AttachmentsConfig(**config)
    kept = Attachments(folder / "files", lambda: found, folder / "store.db")
    await kept.start()
    yield kept
    await kept.stop()


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for each in given:
        yield each


async def test_a_file_is_kept_once_and_read_again(tmp_path: Path) -> None:
    async with files(tmp_path) as kept:
        one = await kept.keep(pieces(PNG[:5], PNG[5:]), "../a.png")
        assert one == Attachment(digest_of(PNG), "a.png", "image/png", len(PNG))
        assert await kept.keep(PNG, "b.png") == Attachment(
            one.digest, "b.png", "image/png", one.size
        )
        assert kept.bytes == len(PNG)
        assert await kept.read(one.digest) == PNG
        path = tmp_path / "files" / one.digest[:2] / one.digest[2:4] / one.digest
        assert path.read_bytes() == PNG
        for digest in ("0" * 64, "../../../etc/passwd", ""):
            with pytest.raises(NotFound):
                await kept.read(digest)
        assert list((tmp_path / "files" / "parts").iterdir()) == []
    (tmp_path / "files" / "parts" / "half").write_bytes(b"x")
    async with files(tmp_path) as kept:  # as after a crash
        assert list((tmp_path / "files" / "parts").iterdir()) == []
        assert kept.bytes == len(PNG)


async def test_limits(tmp_path: Path) -> None:
    async with files(tmp_path, file_mb=1, message_mb=1, quota_mb=3) as kept:
        with pytest.raises(TooLarge):
            await kept.keep(pieces(bytes(1 << 20), b"x"), "large")
        assert kept.bytes == 0
        half = 1 << 19
        made = [await kept.keep(bytes([n]) * half, "x") for n in range(3)]
        for each in made[:2]:
            await kept.offer("c1", each)
        await kept.offer("c1", made[0])  # it is there already
        with pytest.raises(Conflict, match="1 MiB"):
            await kept.offer("c1", made[2])
        assert await kept.offered("c1", [made[0].digest] * 2) == (made[0],)
        with pytest.raises(NotFound):
            await kept.offered("c2", [made[0].digest])
        await kept.sent("c1", made)
        with pytest.raises(NotFound):
            await kept.offered("c1", [made[0].digest])
        # A fifth of the room is left to what cannot be sent again.
        made += [await kept.keep(b"\4" * half, "x", clean=True)]
        with pytest.raises(ResourceError, match="quota"):
            await kept.keep(b"\5" * half, "x", clean=True)
        made += [await kept.keep(bytes([n]) * half, "x") for n in (6, 7)]
        with pytest.raises(ResourceError, match="quota"):
            await kept.keep(b"one more", "x")
        assert kept.bytes == 6 * half


async def test_a_disk_that_refuses_is_no_traceback(tmp_path: Path) -> None:
    async with files(tmp_path) as kept:
        (tmp_path / "files" / "parts").rmdir()
        with pytest.raises(ResourceError):
            await kept.keep(b"x", "x")
        assert kept.bytes == 0


# -- the scanner ---------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def clamd(folder: Path, port: int) -> AsyncIterator[None]:
    """A clamd that knows one signature: that of the EICAR test file."""
    assert CLAMD is not None
    database = folder / "database"
    database.mkdir(exist_ok=True)
    md5 = hashlib.md5(EICAR).hexdigest()
    (database / "test.hdb").write_text(f"{md5}:{len(EICAR)}:Eicar-Test\n")
    config = folder / "clamd.conf"
    config.write_text(
        f"DatabaseDirectory {database}\nTCPSocket {port}\nTCPAddr 127.0.0.1\nForeground yes\n"
        f"LogFile {folder}/clamd.log\nUser root\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(CLAMD, "-c", str(config)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                break
        yield
    finally:
        process.kill()
        await process.wait()


@pytest.mark.skipif(CLAMD is None, reason="clamav-daemon is not installed")
async def test_a_virus_is_never_given_out_and_nothing_is_lost_without_the_scanner(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with files(tmp_path, clamd=f"tcp:127.0.0.1:{port}") as kept:
        # It is not there: a sender who can send again is told to; what cannot be had again is kept.
        with pytest.raises(ResourceError, match="send it again"):
            await kept.keep(b"one", "x", clean=True)
        bad, good = await kept.keep(EICAR, "x.com"), await kept.keep(b"one", "x.txt")
        assert await kept.states([bad.digest, good.digest, "0" * 64]) == {
            bad.digest: "unscanned",
            good.digest: "unscanned",
            "0" * 64: "gone",
        }
        with pytest.raises(ResourceError):
            await kept.open(good.digest)
        assert kept.unscanned == 2
        async with clamd(tmp_path, port):
            await kept.rescan()
            assert await kept.states([bad.digest, good.digest]) == {bad.digest: "infected"}
            assert kept.unscanned == 0
            assert await kept.read(good.digest) == b"one"
            for _ in range(2):
                with pytest.raises(Conflict):
                    await kept.read(bad.digest)
                await kept.keep(EICAR, "again")
            with pytest.raises(CommandError, match="Eicar-Test"):
                await kept.keep(EICAR, "x", clean=True)
            assert (await kept.keep(b"two", "x", clean=True)).size == 3


# -- by the API ----------------------------------------------------------------------------------


async def test_files_go_with_a_conversation(tmp_path: Path) -> None:
    limits = CHANNELS + "[attachments]\nfile_mb = 1\nmessage_mb = 1\ndirectory = 'files'\n"
    async with chatting(tmp_path, limits) as (api, lee):
        page = Visitor(api.url)
        await page.come()
        await page.say_surely("x")
        contact = await taken(api, lee)
        name = contact.origin.conversation
        where = {"conversation": name, "name": "a\u202e/계약.svg"}
        path = f"/api/v1/conversations/{name}/messages"

        async def up(raw: bytes, client: httpx.AsyncClient = lee, **more: str) -> httpx.Response:
            return await client.post("/api/v1/attachments", params={**where, **more}, content=raw)

        reply = await up(SVG)
        assert reply.status_code == 201, reply.text
        view = reply.json()
        assert view == {
            "digest": digest_of(SVG),
            "name": "계약.svg",
            "media_type": "image/svg+xml",
            "size": len(SVG),
            "use": "",
            "blocked": 0,
            "state": "",
        }
        problem(await up(bytes((1 << 20) + 1)), 413)
        problem(await up(b""), 422)
        problem(await up(SVG, conversation="other"), 409)
        problem(await lee.post(path, json={"text": "x", "attachments": ["0" * 64]}), 404)
        problem(await lee.post(path, json={"text": "x", "attachments": ["../x"]}), 422)
        problem(await lee.post(path, json={"text": " "}), 422)
        reply = await lee.post(path, json={"attachments": [view["digest"]]})
        assert reply.status_code == 201, reply.text
        assert reply.json()["attachments"] == [view]
        # It was offered once; it is in the message now.
        problem(await lee.post(path, json={"attachments": [view["digest"]]}), 404)
        messages = (await lee.get(path)).json()
        assert messages[-1]["attachments"] == [view]
        file = f"/api/v1/conversations/{name}/attachments/{view['digest']}"
        got = await lee.get(file)
        assert (got.status_code, got.content) == (200, SVG)
        # What a browser must not show it is told nothing about.
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%EA%B3")
        assert got.headers["x-content-type-options"].split(", ")[0] == "nosniff"
        assert "sandbox" in got.headers["content-security-policy"]
        tag = got.headers["etag"]
        assert (await lee.get(file, headers={"If-None-Match": tag})).status_code == 304
        part = await lee.get(file, headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"<svg")
        problem(await lee.get(file, headers={"Range": "bytes=9999-"}), 416)
        problem(await lee.get(file[:-1] + ("0" if file[-1] != "0" else "1")), 404)
        # Another agent has no business with it.
        root = await api.token("administrator")
        await root.patch("/api/v1/accounts/agent", json={"agent": "kim"})
        problem(await lee.get(file), 403)
        problem(await up(SVG), 403)
        assert (await root.get(file)).content == SVG
        await page.go()


async def test_a_visitor_has_the_files_of_his_chat(tmp_path: Path) -> None:
    limits = CHANNELS + "[attachments]\nfile_mb = 1\nmessage_mb = 1\n"
    async with chatting(tmp_path, limits) as (api, lee):
        page, other = Visitor(api.url), Visitor(api.url)
        origin = {"Origin": api.url}
        client = api.client(headers={**origin, "Authorization": f"Bearer {page.secret}"})
        path = "/widget/shop/files"
        problem(await client.post(path, params={"name": "a.png"}, content=PNG), 409)
        for one in (page, other):
            await one.come()
            await one.say_surely("x")
        reply = await client.post(path, params={"name": "a.png"}, content=PNG)
        assert reply.status_code == 201, reply.text
        assert reply.headers["access-control-allow-origin"] == api.url
        digest = reply.json()["digest"]
        problem(await client.post(path, content=bytes((1 << 20) + 1)), 413)
        problem(await client.post(path, content=b""), 422)
        problem(await client.get(f"{path}/{digest}"), 404)  # it is not said yet
        for _ in range(2):
            await page.send(type="say", id="one", files=[digest])
        await page.until(lambda: [each["type"] for each in page.told].count("ack") == 3)
        await page.until(lambda: 2 in page.said)
        assert [each["digest"] for each in page.said[2]["files"]] == [digest]
        assert len(page.said) == 2
        got = await client.get(f"{path}/{digest}")
        assert (got.content, got.headers["content-type"]) == (PNG, "image/png")
        assert got.headers["content-disposition"].startswith("attachment")
        # Nobody else's secret, no page of another site, and what is offered in one chat only.
        wrong = {"Authorization": f"Bearer {other.secret}"}
        problem(await client.get(f"{path}/{digest}", headers=wrong), 404)
        problem(await client.get(f"{path}/{digest}", headers={"Authorization": "x"}), 401)
        problem(await client.get(f"{path}/{digest}", headers={"Origin": "https://a.b"}), 403)
        await other.send(type="say", id="two", text="y", files=[digest])
        await other.until(lambda: any(each["type"] == "refused" for each in other.told))
        await other.send(type="say", id="three", text=" ")
        await other.until(lambda: other.told[-1].get("why") == "there is nothing in it")
        assert lee
        await page.go()
        await other.go()


async def test_what_no_message_names_is_swept(tmp_path: Path) -> None:
    async with chatting(tmp_path) as (api, _):
        kept, contacts = api.switch.attachments, api.switch.conductor.contacts
        named, orphan = await kept.keep(b"named", "a.txt"), await kept.keep(b"orphan", "b.txt")
        incoming = Incoming(customer="x", called="shop", text="x", attachments=(named,))
        await contacts.accept(contacts.channels["chat"], incoming)
        rows = await api.center.rows("attachment")
        assert [(row["digest"], row["name"]) for row in rows] == [(named.digest, "a.txt")]
        await kept.offer("someone", orphan)
        assert await kept.sweep() == 0  # all of it is of today
        old = time.time() - 2 * DAY_S
        for each in (named, orphan):
            os.utime(kept._path(each.digest), (old, old))
        assert await kept.sweep() == 1
        assert await kept.states([named.digest, orphan.digest]) == {orphan.digest: "gone"}
        with pytest.raises(CicError):
            await kept.offered("someone", [orphan.digest])
        # The last row goes, and the file with it.
        database = api.switch.store.database
        assert isinstance(database, SqliteDatabase)
        await asyncio.to_thread(database.reader.execute, "DELETE FROM message")
        assert await api.center.rows("attachment") == []
        assert await kept.sweep() == 1
        assert kept.bytes == 0
        assert EXTRA
