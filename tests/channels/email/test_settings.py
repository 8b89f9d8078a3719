"""What the settings of a channel of type `email` may say, and what they do."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import dkim
import pytest

from cicswitch.channels.email.channel import Email
from cicswitch.channels.email.imap import tls
from cicswitch.config import check, load
from cicswitch.contacts.messages import Message, Outgoing
from cicswitch.core.errors import ResourceError
from cicswitch.mail.parse import parse
from cicswitch.mail.token import find

NAME = "6a18f000Xy3R00000102"
GOOD = """
[queue.support]
[channel.mail]
type = "email"
queue = "support"
[channel.mail.settings]
addresses = ["support@example.com"]
[channel.mail.settings.send]
server = "mx.example.com"
[channel.mail.settings.receive]
listen = "127.0.0.1:2525"
"""

FAX = """
[channel.mail.settings.fax]
channel = "none"
domain = "a b"
senders = ["kim"]
[channel.mail.settings.receive]"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('["support@example.com"]', "[]", ":7: channel.mail.settings.addresses: found an empty"),
        ('"support@example.com"', '"support"', ':7: channel.mail.settings.addresses[0]: found "su'),
        ('"support@example.com"', '"a@b.c", "A@B.c"', 'addresses[1]: found "A@B.c" twice'),
        (
            'server = "mx.example.com"',
            "port = 25",
            '8: channel.mail.settings.send: found no key "s',
        ),
        ('listen = "127.0.0.1:2525"', 'listen = "2525"', ":11: channel.mail.settings.receive.lis"),
        (
            '"127.0.0.1:2525"',
            '"127.0.0.1:2525"\naccept = ["x"]',
            ":12: channel.mail.settings.receive",
        ),
        ('"127.0.0.1:2525"', '"127.0.0.1:2525"\nprotocol = "pop"', 'found "pop", expected one of'),
        ('"mx.example.com"', '"mx.example.com"\nuser = "x"', "send.user: found no password"),
        ('"mx.example.com"', '"x"\nsecurity = "ssl"', 'send.security: found "ssl"'),
        (
            "[channel.mail.settings.receive]",
            FAX,
            'fax.channel: found "none", expected a channel of',
        ),
        ("[channel.mail.settings.receive]", FAX, 'fax.domain: found "a b", expected a domain'),
        ("[channel.mail.settings.receive]", FAX, 'fax.senders[0]: found "kim", expected like'),
        ("[channel.mail.settings.receive]", FAX, "fax: found nobody who verifies mails"),
        ("[channel.mail.settings.receive]\n", "[channel.other]\n", "neither imap nor receive"),
        ("addresses =", 'own_servers = ["x"]\naddresses =', "own_servers[0]: found"),
        ("addresses =", 'dns = ["ns.example.com"]\naddresses =', 'dns[0]: found "ns.example.com"'),
        ("addresses =", 'nmae = "x"\naddresses =', 'unknown key "nmae"'),
        ("addresses =", "most_mb = 0\naddresses =", ":7: channel.mail.settings.most_mb: found 0"),
        ("addresses =", 'name = "a\\nb"\naddresses =', "settings.name: found more than one line"),
        ("addresses =", 'secret = "env:NO_SUCH"\naddresses =', "the environment variable NO_SUCH"),
        (
            "[queue.support]",
            '[queue.support]\n[channel.b]\ntype = "email"',
            ":3: channel.b.settings: found no key",
        ),
    ],
)
def test_every_mistake_has_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    file = tmp_path / "cicswitch.toml"
    assert old in GOOD
    file.write_text("dialplans = []" + GOOD.replace(old, new))
    found = "\n".join(map(str, check(file)))
    assert told in found, found


def test_an_address_belongs_to_one_channel(tmp_path: Path) -> None:
    file = tmp_path / "cicswitch.toml"
    other = GOOD.replace("[queue.support]", "").replace("channel.mail", "channel.other")
    file.write_text("dialplans = []" + GOOD + other)
    assert 'an address of channel "mail" too' in str(check(file)[0])


def channel(folder: Path, more: str) -> Email:
    """A channel of settings, which sends nothing."""
    file = folder / "cicswitch.toml"
    file.write_text("dialplans = []" + GOOD.replace("addresses =", f"{more}\naddresses ="))
    return Email("mail", load(file).channel["mail"], Nothing(), Nothing())


class Nothing:
    """Has no conversations, and one key."""

    def key(self, channel: str) -> bytes:
        return b"key"

    async def messages(self, *_: Any) -> list[Message]:
        return []

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


OUT = Outgoing(
    message=Message(
        id="m1", conversation=NAME, interaction="", seq=1, at=0.0, author="agent:lee", text="x"
    ),
    customer="park@example.org",
    called="support@example.com",
    subject="Order",
    name="Lee",
    data={},
)


async def mail_of(channel: Email) -> bytes:
    raw, _ = await channel.post._written(OUT, "park@example.org", False)
    return raw


async def test_how_a_conversation_is_named(tmp_path: Path) -> None:
    mail = parse(await mail_of(channel(tmp_path, "")))
    assert (mail.subject, mail.reply_to, mail.sender_name) == ("Re: Order", "", "Lee")
    assert find([mail.message_id], "", [], b"key") == NAME
    more = 'subject_token = true\nreply_token = true\nsecret = "other"\nname = "Desk"'
    mail = parse(await mail_of(channel(tmp_path, more)))
    assert mail.sender_name == "Desk"
    assert find([], mail.subject, [], b"other") == NAME
    assert find([], "", [mail.reply_to], b"other") == NAME
    assert find([], "", [mail.reply_to], b"key") == ""


@pytest.fixture
def keys(tmp_path: Path) -> str:
    """A private key in a file, and the public one as DNS has it."""
    key = str(tmp_path / "dkim.pem")
    make = ["openssl", "genrsa", "-traditional", "-out", key, "2048"]
    subprocess.run(make, check=True, capture_output=True)
    shown = ["openssl", "rsa", "-in", key, "-pubout", "-outform", "PEM"]
    done = subprocess.run(shown, check=True, capture_output=True, text=True)
    return "".join(done.stdout.split("\n")[1:-2])


async def test_what_is_sent_is_signed(tmp_path: Path, keys: str) -> None:
    record = f"v=DKIM1; p={keys}"
    table = (
        'signature = "Bye"\n'
        'dkim = { domain = "example.com", selector = "s1", key = "file:dkim.pem" }'
    )
    raw = await mail_of(channel(tmp_path, table))
    asked = []

    def dns(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record.encode()

    assert dkim.verify(raw, dnsfunc=dns)
    assert asked == [b"s1._domainkey.example.com."]
    assert not dkim.verify(raw.replace(b"Subject: Re", b"Subject: No"), dnsfunc=dns)
    assert b"Bye" in raw
    (tmp_path / "dkim.pem").write_text("no key")
    with pytest.raises(ResourceError, match="DKIM"):
        channel(tmp_path, table)


def test_certificates(tmp_path: Path) -> None:
    assert tls("").check_hostname
    with pytest.raises(ResourceError, match="there is no file"):
        tls(str(tmp_path / "none.pem"))
    (tmp_path / "none.pem").write_text("x")
    with pytest.raises(ResourceError):
        tls(str(tmp_path / "none.pem"))
