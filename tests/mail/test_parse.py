"""Mails as they come: read as far as they make sense, and never an error."""

from __future__ import annotations

import base64
import importlib.util
import time
from pathlib import Path

import pytest

from cicswitch.mail import html as markup
from cicswitch.mail.model import Mail
from cicswitch.mail.parse import MOST_TEXT, parse
from tests.mail.samples import BOUNCE, HTML, MIXED, PLAIN, mails


def test_a_plain_mail() -> None:
    mail = parse(PLAIN)
    assert mail.message_id == "one@example.org"
    assert (mail.sender, mail.sender_name) == ("Park@example.org", "박지민")
    assert mail.recipients == ("support@example.com", "sales@example.com")
    assert mail.subject == "Bestellung 4711 – late and folded"
    assert mail.date == 1795741200.0
    assert mail.in_reply_to == ("zero@example.com",)
    assert mail.references == ("a@example.com", "zero@example.com")
    assert mail.text.startswith("Where is my order?\n\nOn Thu")
    assert (mail.hops, mail.automatic, mail.silent, mail.bounce) == (1, "", "", None)
    assert mail.plain
    assert mail.problems == ()


def test_what_is_in_it() -> None:
    mail = parse(MIXED)
    assert mail.text == "가나"
    assert [(each.name, each.cid) for each in mail.pieces] == [
        *(("", "logo@x"), ("계약.pdf", ""), ("message.eml", "")),
    ]
    assert mail.pieces[0].data.startswith(b"\x89PNG")
    assert mail.pieces[1].data == b"%PDF-1.4\n"
    assert b"inner text" in mail.pieces[2].data


def test_html_is_safe_and_asks_nobody_for_anything() -> None:
    mail = parse(MIXED)
    assert '<img src="cid:logo@x" alt="Logo">' in mail.html
    for bad in ("script", "track.example", "javascript", "onclick", "style", "color"):
        assert bad not in mail.html, bad
    assert 'href="https://example.org/x"' in mail.html
    assert 'rel="noopener noreferrer nofollow"' in mail.html


def test_text_of_html() -> None:
    mail = parse(HTML)
    assert mail.text == "Guten Tag,\nich habe eine Frage für Sie.\n> alt\n> zitat"
    assert not mail.plain


def test_a_bounce_says_whom_and_what() -> None:
    mail = parse(BOUNCE)
    bounce = mail.bounce
    assert bounce is not None
    assert (bounce.action, bounce.recipient, bounce.status) == (
        *("failed", "gone@example.org", "5.1.1"),
    )
    assert bounce.diagnostic == "550 5.1.1 <gone@example.org>: Recipient address rejected"
    assert bounce.original == "ours.abc@example.com"
    assert mail.automatic == "auto-replied"


@pytest.mark.parametrize(
    ("header", "automatic", "silent"),
    [
        ("Auto-Submitted: no", "", ""),
        ("Auto-Submitted: auto-generated; x=y", "auto-generated", "auto-generated"),
        ("Precedence: bulk", "precedence bulk", "precedence bulk"),
        ("List-Unsubscribe: <x>", "list", "list"),
        ("X-Auto-Response-Suppress: DR, OOF", "", "x-auto-response-suppress"),
        ("X-Autoreply: yes", "x-autoreply", "x-autoreply"),
        ("Return-Path: <>", "null sender", "null sender"),
        ("From: No-Reply@example.org", "sender", "sender"),
        ("From: noreplyson@example.org", "", ""),
    ],
)
def test_what_machines_write_is_known(header: str, automatic: str, silent: str) -> None:
    mail = parse(f"{header}\n\nx".encode())
    assert (mail.automatic, mail.silent) == (automatic, silent)


def test_the_envelope_tells_a_null_sender() -> None:
    assert parse(PLAIN, envelope_from="").automatic == "null sender"
    assert parse(PLAIN, envelope_from="x@y").automatic == ""


# -- what is broken, and what is meant to hurt ---------------------------------------------------


def test_charsets_that_lie() -> None:
    for charset, raw, text in (
        ("ks_c_5601-1987", "가".encode("cp949"), "가"),
        ("us-ascii", "é".encode(), "é"),
        ("utf-8", b"\xe9t\xe9", "\ufffdt\ufffd"),
        ("nonsense", "é".encode(), "é"),
        ("idna", b"xn--4ca", "xn--4ca"),
        ("unicode_escape", b"\\u0041", "\\u0041"),
        ("", "é".encode(), "é"),
    ):
        head = f"Content-Type: text/plain; charset={charset}\n\n".encode()
        assert parse(head + raw).text == text, charset


def test_raw_bytes_in_headers() -> None:
    assert parse("Subject: 안녕\n\nx".encode()).subject == "안녕"
    assert parse(b"Subject: caf\xe9\n\nx").subject == "café"
    assert parse(b"From: \xff\xfe <a@b.c>\n\nx").sender == "a@b.c"


def bounded(raw: bytes, problem: str) -> Mail:
    begun = time.perf_counter()
    mail = parse(raw)
    assert time.perf_counter() - begun < 10
    assert problem in " ".join(mail.problems), mail.problems
    return mail


def test_a_header_that_does_not_end() -> None:
    mail = bounded(b"X: y\n" * 100_000 + b"\nbody", "header is too long")
    assert mail.text == "body"
    assert len(mail.pieces[0].data) > 500_000  # all of it goes along
    bounded(b"Subject: " + b"x" * 5_000_000, "header is too long")
    assert parse(b"To: " + b"a@b.c, " * 20_000 + b"\n\nx").text == "x"
    assert parse(b"Subject: " + b"=?utf-8?q?x?= " * 10_000 + b"\n\nx").text == "x"


def test_parts_in_parts_in_parts() -> None:
    raw = b""
    for level in range(3000):
        raw += b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (level, level)
    bounded(raw + b"\nx", "nested too deeply")
    bounded(b"Content-Type: message/rfc822\n\n" * 3000, "nested too deeply")
    many = b'Content-Type: multipart/mixed; boundary="a"\n\n' + b"--a\n\nx\n" * 100_000
    bounded(many, "too many parts")
    some = b'Content-Type: multipart/mixed; boundary="a"\n\n'
    some += b"--a\nContent-Disposition: attachment\n\nx\n" * 2000
    assert len(bounded(some, "").pieces) <= 501


def test_much_html_and_text() -> None:
    html = b"Content-Type: text/html\n\n"
    for body in (
        b"<div>" * 400_000,
        b"<table><tr><td>" * 100_000,
        b"<" * 2_000_000,
        b"&" * 2_000_000,
    ):
        bounded(html + body, "")
    bounded(html + b"<p>x" * 1_000_000, "HTML is too long")
    mail = bounded(b"X: y\n\n" + b"word " * 200_000, "text is too long")
    assert len(mail.text) == MOST_TEXT
    assert mail.pieces[0].name == "text.txt"


def test_a_large_file_takes_no_long_time() -> None:
    data = base64.encodebytes(bytes(10 << 20))
    raw = b'Content-Type: multipart/mixed; boundary="a"\n\n--a\n\nx\n--a\n'
    raw += (
        b"Content-Type: application/zip; name=x.zip\nContent-Transfer-Encoding: base64\n\n" + data
    )
    assert len(bounded(raw + b"--a--\n", "").pieces[0].data) == 10 << 20


def test_whatever_comes_is_read() -> None:
    for number, raw in enumerate(mails(10_000, seed=1)):
        try:
            mail = parse(raw)
            mail.text.encode()
            assert "<script" not in mail.html.lower()
        except Exception as error:
            raise AssertionError(f"mail {number}: {raw!r}") from error


@pytest.mark.soak
def test_whatever_comes_is_read_for_long() -> None:
    for raw in mails(1_000_000, seed=2):
        parse(raw)


def test_the_mails_of_cpythons_own_tests_are_read() -> None:
    try:
        found = importlib.util.find_spec("test.test_email")
    except ModuleNotFoundError:
        found = None
    places = list(found.submodule_search_locations or ()) if found is not None else []
    files = [file for place in places for file in sorted(Path(place, "data").glob("*"))]
    if not files:
        pytest.skip("this Python comes without test.test_email")
    for file in files:
        if file.is_file():
            parse(file.read_bytes())


HOSTILE = """
<html><head><base href="http://evil.test/"><meta http-equiv=refresh content="0;url=http://evil.test">
<link rel=stylesheet href="http://evil.test/a.css"><style>@import "http://evil.test/b.css";
body{background:url(http://evil.test/c.png)}</style><script>top.hacked = 1</script></head>
<body onload="top.hacked=2" background="http://evil.test/d.png">
<img src="http://evil.test/e.png" onerror="top.hacked=3" alt="A logo"><img src=x onerror=alert(1)>
<img srcset="http://evil.test/f.png 2x"><img src="HTTPS://evil.test/pixel.gif" width=1>
<img src="data:image/svg+xml,<svg onload=alert(1)>"><img src="cid:logo@x"><img src="cid:blocked">
<svg onload="top.hacked=4"><image href="http://evil.test/g.png"/><script>top.hacked=5</script></svg>
<p style="color:red;position:fixed;background:url(http://evil.test/h.png);width:expression(1)">Hi</p>
<p style="background-color:yellow;font-size:20px">Yellow</p>
<div style="border:1px solid u\\72l(http://evil.test/i.png)">x</div>
<iframe src="http://evil.test/j"></iframe><object data="http://evil.test/k"></object>
<form action="http://evil.test/l"><input name=q><button>Go</button></form>
<video src="http://evil.test/m" autoplay></video><embed src="http://evil.test/n">
<a href="javascript:top.hacked=6">a</a> <a href="https://bank.test@evil.test/">b</a>
<a href="https://evil.test/login" target=_top style="font-size:0">https://bank.test</a>
<a href="https://evil.test/plain">plain</a>
</body></html>
"""


def test_what_a_hostile_letter_looks_like_asks_for_nothing() -> None:
    kept = markup.safe(HOSTILE)
    assert markup.blocked(kept) == 2
    assert markup.blocked(markup.safe(kept)) == 0  # nobody says himself what was blocked
    placed = markup.placed(kept, {"logo@x": "a" * 64})
    assert markup.pictures(placed) == ["a" * 64]
    shown = markup.page(placed, "<t>", {"a" * 64: ("image/png", b"PNG")})
    body = shown.partition("<body>")[2]
    for bad in (
        *("<script", "onerror", "onload", "<svg", "<iframe", "<form", "<input", "<object", "<link"),
        *(
            "<meta",
            "<base",
            "<video",
            "<embed",
            "url(",
            "position",
            "javascript:",
            "@evil",
            "srcset",
        ),
        *("expression", "_top", "cid:", "evil.test/e", "pixel"),
    ):
        assert bad not in body, bad
    assert 'src="data:image/png;base64,UE5H"' in body
    assert 'style="background-color:yellow;font-size:20px"' in body
    assert body.count('target="_blank"') == 4
    assert body.count('rel="noopener noreferrer nofollow"') == 4
    assert 'href="https://evil.test/login"' in body
    assert "&lt;t&gt;" in shown
    for word in ("default-src 'none'", "img-src data:;", "sandbox allow-popups"):
        assert word in markup.POLICY
    assert "allow-scripts" not in markup.POLICY
    assert "allow-same-origin" not in markup.POLICY
