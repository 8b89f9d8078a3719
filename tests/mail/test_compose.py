"""Mails as they are written, and what is found in those that answer them."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cicswitch.mail.compose import Draft, File, ascii_address, compose, reply_subject
from cicswitch.mail.language import language_of
from cicswitch.mail.parse import parse
from cicswitch.mail.quoting import quote, split
from cicswitch.mail.results import verdicts
from cicswitch.mail.token import find, message_id, of_message_id, token

KEY = b"a key"
DRAFT = Draft(
    message_id="m1.abc@example.com",
    at=1795741200.0,
    sender="support@example.com",
    sender_name="Support, 고객센터",
    to="park@example.org",
    to_name="Park",
    subject="Re: 주문",
    text="안녕하세요\n-- \nKim",
    in_reply_to="two@example.org",
    references=("one@example.org", "two@example.org"),
    files=(File("계약.pdf", "application/pdf", b"%PDF"),),
)


def test_an_answer_is_read_as_it_was_written() -> None:
    raw = compose(DRAFT)
    assert raw == compose(DRAFT)  # a retry is the same mail
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    mail = parse(raw)
    assert mail.message_id == "m1.abc@example.com"
    assert mail.in_reply_to == ("two@example.org",)
    assert mail.references == ("one@example.org", "two@example.org")
    assert (mail.sender, mail.sender_name) == ("support@example.com", "Support, 고객센터")
    assert mail.recipients == ("park@example.org",)
    assert (mail.subject, mail.date) == ("Re: 주문", DRAFT.at)
    assert mail.text == DRAFT.text
    assert [(each.name, each.data) for each in mail.pieces] == [("계약.pdf", b"%PDF")]
    assert mail.automatic == ""
    assert parse(compose(replace(DRAFT, automatic=True))).automatic == "auto-replied"


def test_long_message_ids_stay_as_they_are() -> None:
    names = [f"{n}{'x' * 120}@a.very.long.domain.example.org" for n in range(30)]
    raw = compose(replace(DRAFT, in_reply_to=names[-1], references=tuple(names)))
    assert b"=?" not in raw.partition(b"From")[0]
    assert max(map(len, raw.split(b"\r\n"))) < 200
    mail = parse(raw)
    assert mail.in_reply_to == (names[-1],)
    assert mail.references == (names[0], *names[-19:])
    encoded = b"In-Reply-To: =?utf-8?q?=3Cone=40example=2Eorg=3E?=\n\nx"
    assert parse(encoded).in_reply_to == ("one@example.org",)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_nothing_gets_out_of_its_header(name: str, subject: str, other: str) -> None:
    hurt = f"\r\nBcc: x@y.z\r\n\r\n{other}"
    draft = Draft(
        message_id=f"m{other}@example.com",
        at=0.0,
        sender="a@b.c",
        sender_name=name + hurt,
        to="d@e.f",
        to_name=other + hurt,
        subject=subject + hurt,
        text="x",
        in_reply_to=other + hurt,
        references=(name, hurt),
        files=(File(subject + hurt, f"text/{other}", b"x"),),
    )
    read = email.message_from_bytes(compose(draft), policy=email.policy.compat32)
    known = {"from", "to", "subject", "date", "message-id", "in-reply-to", "references"}
    assert {key.lower() for key in read} <= known | {"mime-version", "content-type"}
    assert not read.defects


def test_domains_of_all_scripts() -> None:
    assert ascii_address("a@Bücher.example") == "a@xn--bcher-kva.example"
    assert ascii_address("a@한국.kr") == "a@xn--3e0b707e.kr"
    for wrong in ("", "a", "a@", "가@b.c", "a@b c", "a@-\u0300.c", "a@b\r\nc"):
        with pytest.raises(ValueError, match=r".+"):
            ascii_address(wrong)


def test_the_subject_of_an_answer() -> None:
    for subject in ("Order", "Re: Order", "RE: AW: re[2]: Order", "답장: Order", "Re:Order"):
        assert reply_subject(subject) == "Re: Order"


def test_conversations_are_named_so_that_nobody_makes_a_name_up() -> None:
    name = "6a18f000Xy3R00000102"
    own = message_id("m1", name, "example.com", KEY)
    assert of_message_id(own, KEY) == ("m1", name)
    assert of_message_id(own.lower(), KEY)[1] == name
    assert of_message_id(own, b"another") == ("", "")
    signed = token(name, KEY)
    assert find(["x@y", own], "", [], KEY) == name
    assert find([], f"Re: Order [#{signed.upper()}]", [], KEY) == name
    assert find([], "", [f"support+{signed}@example.com"], KEY) == name
    for wrong in (signed[:-1] + "a", "a" * 60, signed[1:], "7" * 40):
        assert find([f"m.{wrong}@x"], f"[#{wrong}]", [f"s+{wrong}@x"], KEY) == ""


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("Yes.\n\nOn Thu, 26 Nov 2026 at 09:00, A <a@b.c> wrote:\n> Good day.\n>\n> x\n", "Yes."),
        ("Yes.\n\nOn Thu, 26 Nov 2026 at 09:00,\nA <a@b.c>\nwrote:\n\n> x", "Yes."),
        ("네.\n\n2026년 11월 27일 (금) 오후 3:00, 홍길동 <a@b.c>님이 작성:\n\n> 안녕", "네."),
        ("Ja.\n\nAm 26.11.26 um 09:00 schrieb A:\n> x", "Ja."),
        ("Yes.\n\n-----Original Message-----\nFrom: A\nSent: now\n\ntext", "Yes."),
        (
            "Yes.\n\n________________________________\nFrom: A\nSent: x\nTo: b\nSubject: y\n\nt",
            "Yes.",
        ),
        ("네\n\n보낸 사람: A\n보낸 날짜: 오늘\n받는 사람: B\n제목: x\n\n본문", "네"),
        ("> asked?\nyes\n> more?\nno", "> asked?\nyes\n> more?\nno"),
        ("> asked?\nyes\n> more?", "> asked?\nyes"),
        ("> only quoted", "> only quoted"),
        ("From: here to there it is far", "From: here to there it is far"),
        ("nothing", "nothing"),
        ("", ""),
    ],
)
def test_where_the_quotation_begins(text: str, new: str) -> None:
    assert text[: split(text)] == new


@given(st.text(max_size=400))
def test_any_text_is_split(text: str) -> None:
    at = split(text)
    assert 0 <= at <= len(text)
    head = "On Thu, 26 Nov 2026 at 09:00, A wrote:"
    assert split(f"New.\n\n{quote('x' + text.replace(chr(13), ''), head)}") == 4


def test_quoting() -> None:
    assert quote("a\n\n> b", "A wrote:") == "A wrote:\n> a\n>\n>> b"
    assert quote("x" * 30, "A:", 10).endswith("\n>\n> […]")


def test_what_the_own_server_says_of_the_sender() -> None:
    fields = [
        "mx.example.com; spf=pass smtp.mailfrom=a.b; dkim=fail (bad; sig) header.d=c;"
        " dkim=pass header.d=a.b; dmarc=Pass (p=none) header.from=a.b",
        "mx.example.com; spf=fail",
    ]
    found = {"spf": "pass", "dkim": "pass", "dmarc": "pass"}
    assert verdicts(["evil.example; dmarc=pass", *fields], "MX.example.com") == found
    assert verdicts(["evil.example; dmarc=pass"], "mx.example.com") == {}
    assert verdicts(fields, "") == {}
    assert verdicts(["", ";;;", "mx.example.com 1; none"], "mx.example.com") == {}


def test_languages() -> None:
    for text, language in (
        ("안녕하세요, order 4711 문의드립니다", "ko"),
        ("注文について教えてください", "ja"),
        ("请问我的订单在哪里", "zh"),
        ("Where is my order? It was not delivered, and I am waiting for it.", "en"),
        ("Guten Tag, ich habe eine Frage und bitte um Antwort für die Bestellung", "de"),
        ("Bonjour, je ne trouve pas mon colis, merci pour votre aide", "fr"),
        ("4711", ""),
        ("", ""),
    ):
        assert language_of(text) == language, text
