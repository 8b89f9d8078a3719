"""Signatures of webhooks against the specification's own example, and what they refuse."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.acd.events import AgentChanged
from cicswitch.client import BadMessage, verify
from cicswitch.core.signature import matches, secret_key, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, STAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
"""The example of Standard Webhooks' own libraries."""


def headers(**changed: str) -> dict[str, str]:
    given = {"webhook-id": ID, "webhook-timestamp": str(STAMP), "webhook-signature": SIGNATURE}
    return given | {name.replace("_", "-"): value for name, value in changed.items()}


def test_a_signature_is_that_of_the_specification() -> None:
    assert sign(secret_key(SECRET), ID, STAMP, BODY) == SIGNATURE


@given(st.binary(max_size=200), st.text("abc_0", min_size=1), st.integers(0, 2**40), st.integers(0))
def test_what_is_signed_matches_and_nothing_else_does(
    body: bytes, message_id: str, stamp: int, other: int
) -> None:
    key = secret_key("x" * 24)
    signature = sign(key, message_id, stamp, body)
    assert matches(key, message_id, stamp, body, f"v1,AAAA v2,{other} {signature}")
    assert not matches(key, message_id, stamp + 1, body, signature)
    assert not matches(key, message_id, stamp, body + b"x", signature)
    assert not matches(key, message_id + "x", stamp, body, signature)
    assert not matches(secret_key("y" * 24), message_id, stamp, body, signature)
    assert not matches(key, message_id, stamp, body, signature.removeprefix("v1,"))


@pytest.mark.parametrize(
    ("secret", "expected"),
    [("x" * 23, "24 bytes"), ("whsec_!", "base64"), ("whsec_AAAA", "24 bytes"), ("", "24 bytes")],
)
def test_what_is_no_secret_says_what_is_expected(secret: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        secret_key(secret)


def message(secret: str = SECRET) -> tuple[dict[str, str], bytes]:
    event = AgentChanged(STAMP, "kim", "paused", "idle", 1.5, "meal")
    body = b'{"type":"AgentChanged","timestamp":"x","data":%b}' % msgspec.json.encode(event)
    signature = sign(secret_key(secret), ID, STAMP, body)
    return headers(webhook_signature=signature), body


def test_a_receiver_gets_the_event_as_a_struct() -> None:
    given, body = message()
    found = verify(SECRET, {name.title(): value for name, value in given.items()}, body, now=STAMP)
    assert (found.id, found.sent_at, found.type) == (ID, STAMP, "AgentChanged")
    assert isinstance(found.event, AgentChanged)
    assert found.event.code == "meal"


@pytest.mark.parametrize("away_s", [-301, 301])
def test_an_old_message_is_refused_and_so_is_one_of_the_future(away_s: int) -> None:
    given, body = message()
    assert verify(SECRET, given, body, now=STAMP + away_s * 300 / 301)
    with pytest.raises(BadMessage, match="300 s away"):
        verify(SECRET, given, body, now=STAMP + away_s)
    assert verify(SECRET, given, body, now=STAMP + away_s, tolerance_s=400)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"webhook_id": "other"}, "signature"),
        ({"webhook_timestamp": str(STAMP + 1)}, "signature"),
        ({"webhook_timestamp": "soon"}, "no number"),
        ({"webhook_signature": "v1,é"}, "signature"),
        ({"webhook_signature": ""}, "signature"),
    ],
)
def test_a_header_that_was_changed_is_refused(changed: dict[str, str], why: str) -> None:
    given, body = message()
    extra = {name.replace("_", "-"): value for name, value in changed.items()}
    with pytest.raises(BadMessage, match=why):
        verify(SECRET, given | extra, body, now=STAMP)


def test_a_header_that_is_missing_and_a_body_that_is_none_are_refused() -> None:
    given, body = message()
    for name in given:
        less = {key: value for key, value in given.items() if key != name}
        with pytest.raises(BadMessage, match=f"no header {name}"):
            verify(SECRET, less, body, now=STAMP)
    with pytest.raises(BadMessage, match="no message"):
        verify(SECRET, headers(), BODY, now=STAMP)
