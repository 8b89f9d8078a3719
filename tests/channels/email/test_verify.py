"""SPF, DKIM and DMARC against a name server, with keys made here."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cicswitch.channels.email import verify
from cicswitch.channels.email.verify import Verifier
from cicswitch.mail.settings import MailSettings, SendSettings
from tests.channels.test_chat import taken
from tests.support.letters import come, letter, letters
from tests.support.names import Names, names

RECEIVED = (
    "Received: from inside.example.com (inside [10.0.0.5]) by mx.example.com; now\r\n"
    "Received: from out.a.test (out [192.0.2.1]) by inside.example.com; then\r\n"
    "Received: from forged (x [203.0.113.7]) by out.a.test; before\r\n"
)


@functools.cache
def keys(bits: int = 1024) -> tuple[bytes, str]:
    """A private key, and the record of its public one."""
    made = rsa.generate_private_key(65537, bits)
    private = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = made.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = "".join(public.decode().splitlines()[1:-1])
    return private, f"v=DKIM1; k=rsa; p={text}"


def mail(domain: str = "a.test", body: str = "Hello.\r\n") -> bytes:
    head = f"From: Park <park@{domain}>\r\nTo: support@example.com\r\nSubject: Order\r\n"
    return f"{head}Message-ID: <1@{domain}>\r\n\r\n{body}".encode()


def signed(raw: bytes, domain: bytes = b"a.test", **more: object) -> bytes:
    given = {"canonicalize": (b"relaxed", b"relaxed"), **more}
    return bytes(dkim.sign(raw, b"s1", domain, keys()[0], **given)) + raw


@pytest.fixture
async def server() -> AsyncIterator[Names]:
    async with names() as made:
        made.put("s1._domainkey.a.test", "TXT", keys()[1])
        made.put("s1._domainkey.evil.test", "TXT", keys()[1])
        made.put("a.test", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        made.put("_dmarc.a.test", "TXT", "v=DMARC1; p=reject")
        yield made


def verifier(server: Names, *own: str) -> Verifier:
    send = SendSettings("127.0.0.1")
    return Verifier(
        MailSettings(("x@example.com",), send, verify=True, dns=(server.place,), own_servers=own)
    )


async def found(
    server: Names,
    raw: bytes,
    peer: str = "192.0.2.1",
    *own: str,
    sender: str | None = "park@a.test",
) -> dict[str, str]:
    made = verifier(server, *own)
    try:
        return await made.verify(raw, peer, "out.a.test", sender)
    finally:
        made.close()


async def test_what_is_good_passes_and_what_is_not_does_not(server: Names) -> None:
    good = signed(mail())
    assert await found(server, good) == {"spf": "pass", "dkim": "pass", "dmarc": "pass"}
    assert await found(server, good, "192.0.2.2") == {
        "spf": "fail",
        "dkim": "pass",
        "dmarc": "pass",
    }
    changed = good.replace(b"Hello", b"Hallo")
    assert await found(server, changed, "192.0.2.2") == {
        "spf": "fail",
        "dkim": "fail",
        "dmarc": "fail",
    }
    headed = good.replace(b"Subject: Order", b"Subject: Other")
    assert (await found(server, headed))["dkim"] == "fail"
    # Somebody else's signature and address say nothing of this From.
    other = signed(mail(), b"evil.test")
    server.put("evil.test", "TXT", "v=spf1 +all")
    assert await found(server, other, sender="x@evil.test") == {
        "spf": "pass",
        "dkim": "pass",
        "dmarc": "fail",
    }
    assert await found(server, mail("none.test"), sender="x@none.test") == {
        "spf": "none",
        "dkim": "none",
        "dmarc": "none",
    }


async def test_keys_and_signatures_that_prove_nothing(server: Names) -> None:
    missing = signed(mail()).replace(b"s=s1", b"s=s2")
    assert (await found(server, missing))["dkim"] == "permerror"
    server.put("s3._domainkey.a.test", "TXT", "v=DKIM1; p=nonsense!")
    assert (await found(server, signed(mail()).replace(b"s=s1", b"s=s3")))["dkim"] == "permerror"
    assert (await found(server, signed(mail(), length=True)))["dkim"] == "policy"
    broken = b"DKIM-Signature: v=1; a=; nonsense\r\n" + mail()
    assert (await found(server, broken))["dkim"] == "permerror"
    for canonical in ((b"simple", b"simple"), (b"relaxed", b"simple"), (b"simple", b"relaxed")):
        raw = signed(mail(body="a  b \t \r\n\r\n\r\n"), canonicalize=canonical)
        assert (await found(server, raw))["dkim"] == "pass", canonical


async def test_who_handed_it_in_is_found_behind_ones_own_servers(server: Names) -> None:
    raw = RECEIVED.encode() + mail()
    own = ("10.0.0.0/8", "127.0.0.0/8")
    assert (await found(server, raw, "127.0.0.1", *own))["spf"] == "pass"
    assert (await found(server, raw, "", *own))["spf"] == "pass"
    assert (await found(server, raw, "", "10.0.0.0/8", "192.0.2.0/24"))["spf"] == "fail"
    returned = b"Return-Path: <park@a.test>\r\n" + raw
    assert (await found(server, returned, "", *own, sender=None))["spf"] == "pass"
    # Where nobody says which servers are one's own, nobody's word is taken, nor is DMARC denied.
    for peer in ("", "127.0.0.1", "10.1.1.1"):
        assert await found(server, raw, peer) == {"dkim": "none"}


async def test_a_server_that_is_silent_holds_up_nothing(
    server: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "MOST_S", 0.4)
    server.silent = True
    made = verifier(server)
    began = time.monotonic()
    silent = {"spf": "temperror", "dkim": "temperror", "dmarc": "temperror"}
    answers = await asyncio.gather(
        *(made.verify(signed(mail()), "192.0.2.1", "h", "park@a.test") for _ in range(3))
    )
    assert list(answers) == [silent] * 3
    count = len(server.asked)
    assert await made.verify(signed(mail()), "192.0.2.1", "h", "park@a.test") == silent
    assert len(server.asked) == count  # it is not asked for a while
    assert time.monotonic() - began < 5
    assert made.counts == {"unverified": 4}
    made.close()
    server.silent = False
    server.broken.add("s1._domainkey.a.test")
    assert await found(server, signed(mail()), "192.0.2.2") == {
        "spf": "fail",
        "dkim": "temperror",
        "dmarc": "temperror",
    }


async def test_what_is_built_to_hurt_is_bounded(server: Names) -> None:
    one = signed(mail())[: -len(mail())]
    raw = one * 200 + mail()
    server.asked.clear()
    assert (await found(server, raw))["dkim"] in ("pass", "policy")
    many = b"".join(one.replace(b"s=s1", b"s=t%d" % n) for n in range(60)) + mail()
    server.asked.clear()
    assert (await found(server, many))["dkim"] == "permerror"
    assert len([each for each in server.asked if "_domainkey" in each]) <= 2 * 8
    began = time.monotonic()
    blank = signed(mail()).replace(b"Hello.", b" " * 300_000 + b"x" + b"\t " * 300_000)
    assert (await found(server, blank))["dkim"] == "fail"
    tag = b"DKIM-Signature: v=1; b=" + b" " * 60_000 + b"!\r\n" + mail()
    assert (await found(server, tag))["dkim"] == "policy"
    assert time.monotonic() - began < 10  # the square of any of these takes minutes
    for junk in (b"", b"\0" * 1000, b"DKIM-Signature: x", b"From: a\r\n\r\n"):
        assert (await found(server, junk))["dmarc"] == "permerror"


async def test_agents_and_dialplan_are_told_what_the_switch_has_found(
    tmp_path: Path, server: Names
) -> None:
    more = 'verify = true\nown_servers = ["10.0.0.0/8"]\ntrusted = "mx.test"\n'
    more += f'dns = ["{server.place}"]'
    async with letters(tmp_path, settings=more) as (api, lee):
        await come(api, RECEIVED.encode() + signed(mail()))
        contact = await taken(api, lee)
        told = {
            name: contact.origin.context.get(f"mail_{name}") for name in ("spf", "dkim", "dmarc")
        }
        # `come` gives example.org as the envelope's sender: SPF knows nothing of it.
        assert told == {"spf": "none", "dkim": "pass", "dmarc": "pass"}
        await lee.post(f"/api/v1/interactions/{contact.id}/finish")
        await lee.post("/api/v1/agents/lee/ready")
        # What one's own server says goes before.
        await come(api, letter(Authentication_Results="mx.test; dmarc=fail"))
        contact = await taken(api, lee)
        assert contact.origin.context["mail_dmarc"] == "fail"
        assert "mail_dkim" not in contact.origin.context
