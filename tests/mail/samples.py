"""Mails of mixed make: whole ones, and what a generator makes of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

PLAIN = b"""Return-Path: <park@example.org>
Received: from a by b; Fri, 27 Nov 2026 10:00:00 +0900
Message-ID: <one@example.org>
From: =?utf-8?b?67CV7KeA66+8?= <Park@Example.ORG>
To: support@example.com, "Sales, all" <sales@example.com>
Subject: =?utf-8?q?Bestellung_4711_=E2=80=93?= late
 and folded
Date: Fri, 27 Nov 2026 10:00:00 +0900
In-Reply-To: <zero@example.com>
References: <a@example.com> <zero@example.com>
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Where is my order?

On Thu, 26 Nov 2026 at 09:00, Support <support@example.com> wrote:
> Good day.
"""
MIXED = b"""From: a@example.org
To: b@example.com
Message-ID: <two@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: multipart/related; boundary=rel

--rel
Content-Type: multipart/alternative; boundary="alt"

--alt
Content-Type: text/plain; charset=euc-kr

\xb0\xa1\xb3\xaa
--alt
Content-Type: text/html; charset=utf-8

<html><head><style>p{color:red}</style></head><body><p>One</p><img src="cid:logo@x" alt="Logo">
<img src="https://track.example/p.gif"><script>alert(1)</script>
<a href="javascript:alert(1)" onclick=x>bad</a> <a href="https://example.org/x">good</a></body></html>
--alt--
--rel
Content-Type: image/png
Content-ID: <logo@x>
Content-Transfer-Encoding: base64

iVBORw0KGgoAAAANSUhEUg==
--rel--
--outer
Content-Type: application/pdf; name*=utf-8''%EA%B3%84%EC%95%BD.pdf
Content-Disposition: attachment
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--outer
Content-Type: message/rfc822

From: c@example.org
Subject: inner

inner text
--outer--
"""
HTML = b"""From: x@example.org
Content-Type: text/html; charset="iso-8859-1"
Content-Transfer-Encoding: quoted-printable

<div>Guten Tag,<br>ich habe eine Frage f=FCr Sie.</div><blockquote>alt<p>zitat</p></blockquote>
"""
BOUNCE = b"""Return-Path: <>
From: MAILER-DAEMON@mx.example.com
To: support@example.com
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Message-ID: <bounce@mx.example.com>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="BB"

--BB
Content-Type: text/plain

I'm sorry.
--BB
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; ok@example.org
Action: relayed
Status: 2.1.5

Final-Recipient: rfc822; gone@example.org
Original-Recipient: rfc822;gone@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mail.example.org
Diagnostic-Code: smtp; 550 5.1.1 <gone@example.org>: Recipient address
    rejected

--BB
Content-Type: message/rfc822

Message-ID: <ours.abc@example.com>
From: support@example.com
Subject: Re: order

text
--BB--
"""
WHOLE = (PLAIN, MIXED, HTML, BOUNCE)
_NASTY = (
    *(b"\r", b"\n", b"\0", b"\xff\xfe", b"--outer\n", b"--outer--\n", b"=?utf-8?b?====?=", b"<<>>"),
    *(b"Content-Type: ;;;\n", b'Content-Type: text/plain; charset="\\"\n', b"charset=idna", b"=\n"),
    *(
        b"charset=utf-7",
        b"charset*=x'y'%zz",
        b"boundary=",
        b"begin 644 x\n#!!!\nend\n",
        b":::",
        b"@@",
    ),
    *(b"Content-Transfer-Encoding: x-uuencode\n", b"Content-Transfer-Encoding: base64\n", b"=ZZ"),
    *(b"From: \n", b"From: @\n", b"To: undisclosed-recipients:;\n", b"Date: 99 99 99\n", b"(((((("),
    *(
        b'Content-Type: multipart/mixed; boundary=""\n',
        b"Content-Type: message/rfc822\n",
        b"\x80" * 9,
    ),
    *(
        b'Content-Disposition: attachment; filename="../../x"\n',
        b"<div>" * 50,
        b"&#x110000;",
        b"<!--",
    ),
    *(
        b"=?ks_c_5601-1987?B?sKE=?=",
        b"Message-ID: <a b>\n",
        b"Subject: \xf0\x9f\x98\x80\xff\n",
        b"<![CDATA[",
    ),
    *(
        b"filename*0*=utf-8''a; filename*1=b; filename*x=c",
        b"=?unknown?q?x?=",
        b"\n \n\t\n",
        b"%s%n",
    ),
)


def mails(count: int, seed: int) -> Iterator[bytes]:
    """So many, the same each time."""
    draw = random.Random(seed)
    for _ in range(count):
        raw = bytearray(draw.choice(WHOLE))
        for _ in range(draw.randint(0, 12)):
            at = draw.randrange(len(raw) + 1)
            match draw.randrange(6):
                case 0:
                    raw[at:at] = draw.choice(_NASTY)
                case 1:
                    del raw[at : at + draw.randint(1, 60)]
                case 2:
                    raw[at : at + 4] = draw.randbytes(4)
                case 3:
                    begin = draw.randrange(len(raw) + 1)
                    raw[at:at] = raw[begin : begin + draw.randint(1, 200)]
                case 4:
                    line = raw.find(b"\n", at) + 1
                    raw[line:line] = draw.choice(_NASTY)
                case _:
                    other = draw.choice(WHOLE)
                    raw[at:at] = other[: draw.randint(0, 300)]
        yield bytes(raw if draw.random() < 0.5 else raw.replace(b"\n", b"\r\n"))
