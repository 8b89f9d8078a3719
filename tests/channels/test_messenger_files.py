"""Files over messengers: what customers send is there with its message or later, what agents send
goes out, and no link leads into one's own network."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cicswitch.attachments.files import Attachments
from cicswitch.channels import fetching, later, webhook
from cicswitch.channels.fetching import Fetcher, NeverFetched
from cicswitch.config import AttachmentsConfig
from cicswitch.core.errors import ResourceError
from cicswitch.core.toml import Secret
from cicswitch.gateways.files import FileAt
from cicswitch.gateways.reading import read
from cicswitch.gateways.shape import GatewaySettings
from tests.api.served import Served
from tests.channels.test_chat import CHANNELS, chatting, taken, until, written
from tests.gateways.test_gateways import PICTURES
from tests.support.gateway import SECRET, Gateway, event, gateway, post, section

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 20


def picture(user: str, name: str) -> dict[str, Any]:
    return {**event(user, name, None), "message": {"id": name, "type": "image"}}


async def messages(lee: httpx.AsyncClient, name: str) -> list[tuple[str, list[str]]]:
    """Text and names of files of each."""
    found = (await lee.get(f"/api/v1/conversations/{name}/messages")).json()
    return [(each["text"], [file["name"] for file in each["attachments"]]) for each in found]


def line_at(far: Gateway, **more: str) -> str:
    """A channel whose files are got at this gateway."""
    where = far.url.replace("/push", "/content/{media}")
    keys = "".join(f'{key} = "{value}"\n' for key, value in more.items())
    files = "[attachments]\nfile_mb = 1\n"
    return CHANNELS + section(far.url, f'fetch = "{where}"\n{keys}') + files


async def test_a_picture_is_there_with_its_message_before_that_is_acknowledged(
    tmp_path: Path,
) -> None:
    async with gateway() as far, chatting(tmp_path, line_at(far)) as (api, lee):
        far.files["/content/1"] = (200, PNG)
        us, where = api.client(), f"{api.url}/channel/line"
        assert (await post(us, where, picture("U1", "1"))).status_code == 200
        contact = await taken(api, lee)
        name = contact.origin.conversation
        assert await messages(lee, name) == [("", ["image.png"])]
        (row,) = await api.center.rows("attachment")
        path = f"/api/v1/conversations/{name}/attachments/{row['digest']}"
        assert (await lee.get(path)).content == PNG
        assert far.asked[0][2]["authorization"] == "Bearer t0ken"
        # The same again is neither got nor there again.
        assert (await post(us, where, picture("U1", "1"))).status_code == 200
        assert len(far.asked) == len(await messages(lee, name)) == 1
        # What never will be there is told, and what is too large.
        far.files["/content/3"] = (200, b"x" * ((1 << 20) + 1))
        for number in ("2", "3"):
            assert (await post(us, where, picture("U1", number))).status_code == 200
        told = [text for text, _ in (await messages(lee, name))[1:]]
        assert told == ["[image: the answer is 404]", "[image: a file has at most 1 MiB]"]
        state = api.switch.conductor.contacts.channels["line"].state()
        assert (state["files_lost"], state["files_waiting"]) == (2, 0)
        # This gateway has no way for files of ours.
        path = f"/api/v1/attachments?conversation={name}&name=list.txt"
        digest = written(await lee.post(path, content=b"a list"))["digest"]
        body = {"text": "", "attachments": [digest]}
        written(await lee.post(f"/api/v1/conversations/{name}/messages", json=body))
        waiting = api.switch.conductor.outbox.waiting
        await until(lambda: any(each.dead for each in waiting.values()))
        assert [each.error for each in waiting.values()] == ["no files go over this channel"]


async def test_one_that_is_not_there_yet_is_got_later_also_after_a_crash_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "_SOON_S", 0.3)
    monkeypatch.setattr(later, "_FIRST_S", 0.05)
    async with gateway() as far:
        far.files = {"/content/1": (503, b""), "/content/2": (202, b"")}
        extra = line_at(far)
        async with chatting(tmp_path, extra) as (api, lee):
            us, where = api.client(), f"{api.url}/channel/line"
            body = [picture("U1", "1"), event("U1", "9", "do you see it?"), picture("U1", "2")]
            assert (await post(us, where, *body)).status_code == 200
            assert (await post(us, where, *body)).status_code == 200
            contact = await taken(api, lee)
            name = contact.origin.conversation
            first: list[tuple[str, list[str]]]
            first = [("[image]", []), ("do you see it?", []), ("[image]", [])]
            assert await messages(lee, name) == first
            await until(lambda: sum(path == "/content/1" for _, path, _ in far.asked) > 2)
            far.files["/content/1"] = (200, PNG)
            await until(lambda: len(api.switch.conductor.contacts.channels["line"]._later) == 1)  # type: ignore[attr-defined]  # a Webhook
            assert await messages(lee, name) == [*first, ("", ["image.png"])]
        notes = list((tmp_path / "store-line.files").iterdir())
        assert len(notes) == 1
        far.files["/content/2"] = (200, PNG + b"2")
        wanted = msgspec.json.decode(notes[0].read_bytes(), type=later.Wanted)
        async with chatting(tmp_path, extra, people=False) as (api, lee):
            await until(lambda: not notes[0].exists())
            # Once more, as if it had died before the note was gone.
            channel: Any = api.switch.conductor.contacts.channels["line"]
            assert await channel._fetched(wanted, False)
            assert await messages(lee, name) == [*first, *[("", ["image.png"])] * 2]


async def test_what_could_not_be_stored_is_got_all_the_same_and_answers_may_be_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(later, "_FIRST_S", 0.05)
    extra = "https://cic.example.com/"
    async with (
        gateway() as far,
        chatting(tmp_path, line_at(far, public=extra)) as (api, lee),
    ):
        # The gateway sends its message again; the note of the first time is not lost by that.
        channel: Any = api.switch.conductor.contacts.channels["line"]
        accept, failed = channel._host.accept, list[bool]()

        async def fails(*given: Any) -> Any:
            own = given[1].external == "1"
            failed.append(own)
            if own and sum(failed) == 1:
                raise ResourceError("the switch stops: send it again")
            found = await accept(*given)
            if own and sum(failed) == 2:
                raise ResourceError("it is not on disk yet")
            return found

        monkeypatch.setattr(channel._host, "accept", fails, raising=False)
        far.files["/content/1"] = (503, b"")
        us, where = api.client(), f"{api.url}/channel/line"
        assert (await post(us, where, picture("U1", "1"))).status_code == 503
        far.files["/content/1"] = (200, PNG)
        for status in (503, 200):
            assert (await post(us, where, picture("U1", "1"))).status_code == status
        contact = await taken(api, lee)
        await until(lambda: not len(channel._later))
        name = contact.origin.conversation
        # In which order depends on when it is tried again; there is one of each.
        assert sorted(await messages(lee, name)) == [("", ["image.png"]), ("[image]", [])]
        await sent(api, lee, name, PNG, "way.png")
        await sent(api, lee, name, b"<script>", "r\u00e4t.html")
        _, shown, _, told = (body["messages"][0] for _, body in far.took)
        assert shown["previewImageUrl"] == shown["originalContentUrl"]
        assert told["text"].startswith("r\u00e4t.html\nhttps://cic.example.com/channel/line?file=")
        picture_at, page_at = shown["originalContentUrl"], told["text"].split("\n")[1]
        picture_at, page_at = (
            each.replace("https://cic.example.com", api.url) for each in (picture_at, page_at)
        )
        reply = await us.get(picture_at)
        assert (reply.content, reply.headers["content-type"]) == (PNG, "image/png")
        reply = await us.get(page_at)
        assert (reply.content, reply.headers["content-type"]) == (
            b"<script>",
            "application/octet-stream",
        )
        assert reply.headers["content-disposition"] == "attachment; filename*=UTF-8''r%C3%A4t.html"
        for wrong in (
            page_at[:-1],
            page_at.replace("until=", "until=9"),
            f"{where}?file={'0' * 64}",
        ):
            assert (await us.get(wrong)).status_code == 404


# -- each gateway ---------------------------------------------------------------------------------

SHAPED = """
[channel.{shape}]
type = "webhook"
queue = "support"
[channel.{shape}.settings]
shape = "{shape}"
secret = "{secret}"
url = "{url}"
token = "t0ken"
"""


async def shaped(api: Served, shape: str, body: dict[str, Any]) -> None:
    raw = msgspec.json.encode(body)
    channel: Any = api.switch.conductor.contacts.channels[shape]
    found, _ = read(channel._shape, raw)
    loop = asyncio.get_running_loop()
    await channel._take(found[0], "", 0, loop.time() + 5)


async def sent(api: Served, lee: httpx.AsyncClient, name: str, data: bytes, called: str) -> None:
    path = f"/api/v1/attachments?conversation={name}&name={called}"
    digest = written(await lee.post(path, content=data))["digest"]
    body = {"text": "here", "attachments": [digest]}
    written(await lee.post(f"/api/v1/conversations/{name}/messages", json=body))
    await until(lambda: not api.switch.conductor.outbox.waiting)


async def test_whatsapp_says_where_a_file_is_and_takes_files_before_their_messages(
    tmp_path: Path,
) -> None:
    async with gateway() as far:
        base = far.url.replace("/push", "")
        extra = CHANNELS + SHAPED.format(
            shape="whatsapp", secret=SECRET, url=f"{base}/v23.0/55/push"
        )
        far.paths.append("/v23.0/55/push")
        async with chatting(tmp_path, extra) as (api, lee):
            answer = msgspec.json.encode({"url": f"{base}/lookaside?mid=1", "id": "MEDIA"})
            far.files = {"/v23.0/MEDIA": (200, answer), "/lookaside?mid=1": (200, PNG)}
            body, meant = PICTURES["whatsapp"]
            await shaped(api, "whatsapp", body)
            name = (await taken(api, lee)).origin.conversation
            assert await messages(lee, name) == [(meant.text, ["bill.png"])]
            assert all(each["authorization"] == "Bearer t0ken" for _, _, each in far.asked)
            far.posted = b'{"id": "UP1"}'
            await sent(api, lee, name, b"%PDF-1.4 a bill", "bill.pdf")
            await sent(api, lee, name, PNG, "way.png")
            text, pdf, _, png = (told for _, told in far.took)
            assert text["text"]["body"] == "here"
            assert pdf["document"] == {"id": "UP1", "filename": "bill.pdf"}
            assert (png["type"], png["image"]) == ("image", {"id": "UP1"})
            assert far.asked[-1][:2] == ("POST", "/v23.0/55/media")
            form = far.forms[0]
            assert form["messaging_product"] == "whatsapp"
            assert form["file"] == ("bill.pdf", form["type"], b"%PDF-1.4 a bill")


async def test_telegram_gives_the_largest_picture_and_takes_documents(tmp_path: Path) -> None:
    async with gateway() as far:
        base = far.url.replace("/push", "")
        extra = CHANNELS + SHAPED.format(shape="telegram", secret=SECRET, url=f"{base}/bot1:x/push")
        far.paths.append("/bot1:x/push")
        async with chatting(tmp_path, extra) as (api, lee):
            answer = b'{"ok": true, "result": {"file_path": "photos/file 0.png"}}'
            far.files = {"/bot1:x/getFile?file_id=large": (200, answer)}
            far.files["/file/bot1:x/photos/file 0.png"] = (200, PNG)
            body, _ = PICTURES["telegram"]
            await shaped(api, "telegram", body)
            name = (await taken(api, lee)).origin.conversation
            assert await messages(lee, name) == [("look", ["message.png"])]
            await sent(api, lee, name, b"a list", "list.txt")
            assert [each["text"] for _, each in far.took] == ["here"]
            form = far.forms[0]
            assert (form["chat_id"], form["document"][0]) == ("1111", "list.txt")
            assert form["document"][2] == b"a list"
            assert far.asked[-1][:2] == ("POST", "/bot1:x/sendDocument")


async def test_a_system_of_ones_own_gives_links_and_takes_bytes(tmp_path: Path) -> None:
    async with gateway() as far:
        extra = CHANNELS + SHAPED.format(shape="plain", secret=SECRET, url=far.url)
        async with chatting(tmp_path, extra) as (api, lee):
            base = far.url.replace("/push", "")
            far.files = {"/a": (302, b"/b"), "/b": (200, PNG), "/c": (302, b"http://127.0.0.2:9/")}
            links = [{"url": f"{base}/{each}", "name": f"{each}.png"} for each in "abc"]
            await shaped(
                api, "plain", {"id": "1", "customer": "kim", "text": "two", "files": links}
            )
            name = (await taken(api, lee)).origin.conversation
            shown = "two\n[file: 127.0.0.2 is in a network of our own]"
            assert await messages(lee, name) == [(shown, ["a.png", "b.png"])]
            await sent(api, lee, name, b"a list", "list.txt")
            text, file = (told for _, told in far.took)
            assert text["text"] == "here"
            (given,) = file["files"]
            assert given == {
                "name": "list.txt",
                "type": "text/plain",
                "data": base64.b64encode(b"a list").decode(),
            }


# -- links of strangers --------------------------------------------------------------------------


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Attachments]:
    made = Attachments(tmp_path / "files", AttachmentsConfig, tmp_path / "store.db")
    await made.start()
    yield made
    await made.stop()


def fetcher(url: str, context: ssl.SSLContext | None = None, **more: Any) -> Fetcher:
    settings = GatewaySettings(url=url, secret=Secret(SECRET), token=Secret("t0ken"), **more)
    along = {"Authorization": "Bearer t0ken"}
    return Fetcher(settings, settings.form(), along, context or ssl.create_default_context())


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:{port}/a",
        "https://127.0.0.1:{port}/a",
        "https://localhost:{port}/a",
        "https://[::1]:{port}/a",
        "https://[::ffff:127.0.0.1]:{port}/a",
        "https://2130706433:{port}/a",
        "https://0x7f.1:{port}/a",
        "https://0.0.0.0:{port}/a",
        "https://10.0.0.1/a",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/a",
        "https://[fd00::1]/a",
        "https://[2002:7f00:1::]/a",
        "https://[::7f00:1]/a",
        "https://100.64.0.1/a",
        "https://224.0.0.1/a",
        "https://[64:ff9b::7f00:1]/a",
        "https://gateway.example@127.0.0.1:{port}/a",
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "https:///a",
        "https://[/a",
        "https://127.0.0.1:99999/a",
        "//127.0.0.1/a",
        "x",
    ],
)
async def test_no_link_leads_into_ones_own_network(files: Attachments, link: str) -> None:
    async with gateway() as far:
        port = far.url.split(":")[2].partition("/")[0]
        one = fetcher("https://gateway.example/push")
        with pytest.raises(NeverFetched):
            await one.fetch(FileAt("image", link=link.format(port=port)), 5, files)
        await one.close()
        assert not far.asked
        assert not list((files.folder / "parts").iterdir())


@contextlib.asynccontextmanager
async def raw(
    answer: Callable[[bytes, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """A server of a few lines; its port."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await answer(await reader.readuntil(b"\r\n\r\n"), writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*serving), 10)


def _certificate(key: Path, certificate: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=files.example"),
            *("-addext", "subjectAltName=DNS:files.example"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )


def test_public_addresses_are_followed() -> None:
    for number in ("1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"):
        assert fetching._is_public(number), number


async def test_the_gateways_own_host_is_no_way_to_what_else_runs_there(files: Attachments) -> None:
    async with gateway() as far:
        far.files["/content/1"] = (200, PNG)
        link = far.url.replace("/push", "/content/1")
        one = fetcher("http://127.0.0.1:9/push")
        with pytest.raises(NeverFetched, match="of our own"):
            await one.fetch(FileAt("image", link=link), 5, files)
        assert not far.asked
        await one.close()
        # Named in the settings it is followed, and still does not get the token.
        one = fetcher("http://127.0.0.1:9/push", hosts=[link.split("/")[2]])
        await one.fetch(FileAt("image", link=link), 5, files)
        ((_, _, headers),) = far.asked
        assert "authorization" not in headers
        await one.close()


async def test_a_link_is_asked_by_tls_at_the_address_that_was_looked_at_without_the_token(
    tmp_path: Path, files: Attachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    _certificate(key, certificate)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    heard: list[str] = []

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        heard.append(head.decode().lower())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PNG) + PNG)
        await writer.drain()

    async def resolved(host: str, port: int) -> str:
        return "127.0.0.1"

    monkeypatch.setattr(fetching, "_public", resolved)
    one = fetcher("https://gateway.example/push", ssl.create_default_context(cafile=certificate))
    async with raw(answer, server_side) as port:
        link = f"https://files.example:{port}/a?b=c"
        made = await one.fetch(FileAt("image", link=link), 5, files)
        assert await files.read(made.digest) == PNG
        (asked,) = heard
        assert asked.startswith("get /a?b=c ")
        assert f"host: files.example:{port}\r\n" in asked
        assert "t0ken" not in asked
        other = FileAt("image", link=link.replace("files.", "other."))
        with pytest.raises(ResourceError, match="certificate"):  # it has another name
            await one.fetch(other, 5, files)
        await one.close()


async def test_one_that_drips_or_ends_too_early_leaves_nothing(files: Attachments) -> None:
    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        path = head.split()[1]
        length = b"" if path == b"/drip" else b"Content-Length: 100\r\n"
        encoding = b"Content-Encoding: gzip\r\n" if path == b"/gzip" else b""
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + encoding + b"\r\n")
        while path == b"/drip":
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw(answer) as port:
        base = f"http://127.0.0.1:{port}"
        one = fetcher(f"{base}/push", hosts=[f"127.0.0.1:{port}"])
        for path, error, within_s in (
            *(("drip", ResourceError, 0.3), ("short", ResourceError, 10)),
            ("gzip", NeverFetched, 10),
        ):
            with pytest.raises(error):
                await one.fetch(FileAt("image", link=f"{base}/{path}"), within_s, files)
            assert not list((files.folder / "parts").iterdir())
            assert files.bytes == 0
        await one.close()
