"""A messenger by its gateway: in and out, again and again, and what strangers post."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from cicswitch.config import check
from cicswitch.store.sqlite import connect_reader
from cicswitch.switch import outbox
from tests.api.served import problem
from tests.channels.test_chat import CHANNELS, chatting, taken, until, written
from tests.operation.test_daemon import configure, running
from tests.support.gateway import SECRET, Gateway, event, gateway, post, section, signed
from tests.support.ports import free_port


async def test_a_customer_of_a_messenger_talks_to_an_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_FIRST_S", 0.05)
    keys = 'verify = "a greeting"\nlongest = 20\nheaders = { "X-Tenant" = "7" }\n'
    async with (
        gateway() as line,
        chatting(tmp_path, CHANNELS + section(line.url, keys)) as (api, lee),
    ):
        us = api.client()
        where = f"{api.url}/channel/line"
        assert (await post(us, where, event("U1", "1", "Hello"))).status_code == 200
        contact = await taken(api, lee)
        assert (contact.origin.customer, contact.origin.called) == ("U1", "shop")
        name = contact.origin.conversation
        path = f"/api/v1/conversations/{name}/messages"
        # Sent again, and two more in one body, one of which came before.
        assert (await post(us, where, event("U1", "1", "Hello"))).status_code == 200
        more = [event("U1", "1", "Hello"), event("U1", "2", "Still there?")]
        assert (await post(us, where, *more, {"type": "follow"})).status_code == 200
        read = (await lee.get(path)).json()
        assert [each["text"] for each in read] == ["Hello", "Still there?"]
        # The answer, after two attempts of which the gateway takes none.
        line.answers = [503, 429]
        written(await lee.post(path, json={"text": "Good day, what can I do?"}))
        await line.until(2)
        assert line.texts == ["Good day, what can I", "do?"]
        headers, body = line.took[0]
        assert (headers["authorization"], headers["x-tenant"]) == ("Bearer t0ken", "7")
        assert body["to"] == "U1"
        assert len({each["x-line-retry-key"] for each, _ in line.took}) == 2
        # What is said later does not come earlier.
        line.answers = [503]
        for text in ("First.", "Second.", "Third."):
            written(await lee.post(path, json={"text": text}))
        await line.until(5)
        assert line.texts[2:] == ["First.", "Second.", "Third."]
        # One that the gateway has taken before the switch knew it is no second one.
        await until(lambda: not api.switch.conductor.outbox.waiting)
        # What it never takes is given up, with its reason, and can be tried again.
        line.answers = [400]
        written(await lee.post(path, json={"text": "No."}))
        waiting = api.switch.conductor.outbox.waiting
        await until(lambda: any(each.dead for each in waiting.values()))
        root = await api.token("administrator")
        (left,) = (await root.get("/api/v1/outbox")).json()
        assert "answers 400" in left["error"]
        assert "told\\nso" in left["error"]  # on one line
        shown = (await root.get("/api/v1/channels")).json()
        (mine,) = (each for each in shown if each["channel"] == "line")
        assert (mine["dead"], mine["figures"]["received"]) == (1, 2)
        assert "400" in mine["problem"]
        assert (await root.post(f"/api/v1/outbox/{left['message']}/retry")).status_code < 300
        await line.until(6)
        # After it is over he goes on in the same conversation, with another contact.
        await lee.post(f"/api/v1/interactions/{contact.id}/finish")
        await lee.post("/api/v1/agents/lee/ready")
        assert (await post(us, where, event("U1", "3", "One more"))).status_code == 200
        again = await taken(api, lee)
        assert again.id != contact.id
        assert again.origin.conversation == name
        reply = await root.post("/api/v1/channels/line/test")
        assert reply.json()["found"] == "127.0.0.1 answers (HEAD: 405)"
        # The greeting of WhatsApp's gateway.
        ask = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
        reply = await us.get(where, params={**ask, "hub.verify_token": "a greeting"})
        assert (reply.status_code, reply.text) == (200, "1158201444")
        assert reply.headers["content-type"] == "text/plain"
        assert (await us.get(where, params={**ask, "hub.verify_token": "é"})).status_code == 403
        assert (await us.get(where)).status_code == 405


BOT = """
[[route]]
trunk = "line"
flow = "bot"
"""


async def test_a_bot_answers_first_and_silence_frees_the_agent(tmp_path: Path) -> None:
    async with gateway() as line:
        channel = section(line.url).replace('"support"\n', '"support"\nsilent_s = 1\nend_s = 2.5\n')
        async with chatting(tmp_path, CHANNELS + channel, plan=BOT) as (api, lee):
            us, where = api.client(), f"{api.url}/channel/line"
            assert (await post(us, where, event("U1", "1", "Hello"))).status_code == 200
            await line.until(1)
            assert line.texts == ["1 for Korean, 2 for a person."]
            assert (await post(us, where, event("U1", "2", "2"))).status_code == 200
            contact = await taken(api, lee)
            await until(lambda: contact.silent)
            assert (await post(us, where, event("U1", "3", "Here."))).status_code == 200
            assert not contact.silent
            await until(lambda: contact.id not in api.switch.conductor.contacts.live)


async def test_what_strangers_post_changes_nothing(tmp_path: Path) -> None:
    plain = CHANNELS + section("http://127.0.0.1:9/", "longest = 5")
    async with chatting(tmp_path, plain) as (api, _):
        us, where = api.client(), f"{api.url}/channel/line"
        raw = json.dumps({"destination": "shop", "events": [event("U1", "1", "Hello")]}).encode()
        forged: list[dict[str, str]] = [
            {},
            signed(raw, "another secret, of 24 bytes and more"),
            signed(raw + b" "),
            {"X-Line-Signature": "é"},
        ]
        for headers in forged:
            raw_headers = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
            reply = await us.post(where, content=raw, headers=raw_headers)
            assert reply.status_code == 401, reply.text
        for bad in (b"{", b"\xff", b"[" * 100_000, b'{"events": [{"a": "\\ud800"}]}'):
            assert (await us.post(where, content=bad, headers=signed(bad))).status_code == 400
        large = b" " * (1 << 20) + raw
        problem(await us.post(where, content=large, headers=signed(large)), 413)
        problem(await us.put(where, content=raw, headers=signed(raw)), 405)
        for other in ("another", "chat", "..%2fline", "line/x", ""):
            problem(await us.post(f"{api.url}/channel/{other}", content=raw), 404)
        # Signed, and still more than anybody takes: it is not sent again for ever.
        too_long = event("U1", "9", "x" * 1_000_100)
        assert (await post(us, where, too_long)).status_code == 200
        channel: Any = api.switch.conductor.contacts.channels["line"]
        state = channel.state()
        assert (state["forged"], state["refused"], state["received"]) == (4, 5, 0)
        assert not api.switch.conductor.contacts.live
        root = await api.token("administrator")
        told = problem(await root.post("/api/v1/channels/line/test"), 503)
        assert "127.0.0.1:9" in told["detail"]


async def customers(line: Gateway, where: str, stop: asyncio.Event, number: int) -> int:
    """Write, and send it again until it is acknowledged, as gateways do; how many were."""
    said = 0
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while not stop.is_set():
            said += 1
            message = event(f"U{number}", f"{number}:{said}", f"line {number}:{said}")
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await post(client, where, message)).status_code == 200:
                        break
                if stop.is_set():
                    return said - 1
                await asyncio.sleep(0.02)
    return said


@pytest.mark.soak  # `test_auditor` does the same with all channels at once
async def test_kill_9_loses_and_doubles_nothing(tmp_path: Path) -> None:
    http, draw = free_port(), random.Random(11)
    async with gateway() as line:
        file = configure(tmp_path, free_port(), http, section(line.url))
        stop, where = asyncio.Event(), f"http://127.0.0.1:{http}/channel/line"
        writing = [asyncio.create_task(customers(line, where, stop, n)) for n in range(4)]
        for _ in range(3):
            async with running(file) as daemon:
                await asyncio.sleep(draw.uniform(0.2, 1.2))
                daemon.process.kill()
                await daemon.process.wait()
        async with running(file):
            await asyncio.sleep(0.5)
            stop.set()
            acknowledged = await asyncio.gather(*writing)
        db = connect_reader(tmp_path / "store.db")
        try:
            kept = db.execute(
                "SELECT conversation, seq, text FROM message ORDER BY 1, 2"
            ).fetchall()
        finally:
            db.close()
    by_customer: dict[int, list[int]] = {}
    for _, _, text in kept:
        number, _, said = text.removeprefix("line ").partition(":")
        by_customer.setdefault(int(number), []).append(int(said))
    assert sum(acknowledged) > 20
    for number, count in enumerate(acknowledged):
        found = by_customer[number]
        assert found == list(range(1, len(found) + 1))  # in order, none twice
        assert count <= len(found) <= count + 1
    assert len({conversation for conversation, _, _ in kept}) == 4


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('url = "ftp://x"\nsecret = "s"\nshape = "line"', "http or https"),
        (f'url = "https://x"\nsecret = "{SECRET}"\nshape = "sms"', '"plain"'),
        ('url = "https://x"\nsecret = "s"', "24 bytes"),
        ('url = "https://x"\nsecret = ""\nshape = "line"', "proves itself"),
        ('url = "https://x"\nsecret = "s"\nshape = "line"\nread = { txt = "a" }', '"text"'),
        ('url = "https://x"\nsecret = "s"\nshape = "line"\nread = { text = "a..b" }', "path"),
        ('url = "https://x"\nsecret = "s"\nshape = "line"\nwrite = { a = "b" }', "{text}"),
        ('url = "https://x"\nsecret = "s"\nshape = "line"\nlongest = -1', "longest"),
        ('url = "https://x"\nshape = "line"', "secret"),
        ('url = "https://x"\nsecret = "s"\nshape = "line"\nfetch = "ftp://x"', "{media}"),
        ('url = "https://x"\nsecret = "s"\nshape = "line"\nfetch = "https://{media}/"', "{media}"),
        ('url = "https://x"\nsecret = "s"\nshape = "line"\nread = { link = "..x" }', "path"),
        ('url = "https://x"\nsecret = "s"\nshape = "line"\nhosts = ["http://a/"]', "a host"),
        ('url = "https://x"\nsecret = "s"\nshape = "line"\npublic = "cic"', "cic.example.com"),
    ],
)
def test_mistakes_are_told_at_their_line(tmp_path: Path, keys: str, words: str) -> None:
    path = tmp_path / "cicswitch.toml"
    text = 'dialplans = []\n[channel.line]\ntype = "webhook"\n[channel.line.settings]\n'
    path.write_text(f"{text}{keys}\n")
    found = [str(each) for each in check(path)]
    assert len(found) == 1, found
    assert words in found[0]
    assert "channel.line.settings" in found[0]
    assert SECRET not in found[0]
