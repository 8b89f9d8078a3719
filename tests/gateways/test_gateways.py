"""What gateways post, and what they are sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from typing import Any

import msgspec
import pytest

from cicswitch.core.signature import secret_key, sign
from cicswitch.core.toml import Secret
from cicswitch.gateways.proof import proven
from cicswitch.gateways.reading import Written, read
from cicswitch.gateways.shape import SHAPES, GatewaySettings, Shape
from cicswitch.gateways.writing import bodies, parts

SECRET = "of the tests, 24 bytes or more"
BODIES: dict[str, tuple[Any, Written]] = {
    "plain": (
        {"id": "m1", "customer": "kim", "called": "shop", "text": "Hello", "name": "Kim"},
        Written("kim", "Hello", "m1", "shop", "Kim"),
    ),
    "whatsapp": (
        {
            "object": "whatsapp_business_account",
            "entry": [
                {
                    "id": "0",
                    "changes": [
                        {
                            "field": "messages",
                            "value": {
                                "messaging_product": "whatsapp",
                                "metadata": {"display_phone_number": "15550783881"},
                                "contacts": [{"profile": {"name": "Kim"}, "wa_id": "1650"}],
                                "messages": [
                                    {
                                        "from": "1650",
                                        "id": "wamid.1",
                                        "type": "text",
                                        "text": {"body": "Hello"},
                                    }
                                ],
                            },
                        }
                    ],
                }
            ],
        },
        Written("1650", "Hello", "wamid.1", "15550783881", "Kim"),
    ),
    "telegram": (
        {
            "update_id": 10000,
            "message": {
                "message_id": 1365,
                "from": {"id": 1111, "first_name": "Kim", "language_code": "ko"},
                "chat": {"id": 1111, "type": "private"},
                "text": "Hello",
            },
        },
        Written("1111", "Hello", "10000", "", "Kim", "ko"),
    ),
    "line": (
        {
            "destination": "U1",
            "events": [
                {
                    "type": "message",
                    "source": {"type": "user", "userId": "U2"},
                    "message": {"id": "44", "type": "text", "text": "Hello"},
                }
            ],
        },
        Written("U2", "Hello", "44", "U1"),
    ),
    "kakao": (
        {
            "user_key": "Xj1bW5wlE5SR",
            "sender_key": "4c95",
            "serial_number": "s1",
            "type": "TX",
            "contents": "Hello",
        },
        Written("Xj1bW5wlE5SR", "Hello", "s1", "4c95"),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_text_of_each_shape(name: str) -> None:
    body, meant = BODIES[name]
    assert read(SHAPES[name], json.dumps(body).encode()) == ([meant], 0)
    values = {"id": "6925", "customer": meant.customer, "called": "c", "name": "Lee", "uuid": "u"}
    (sent,) = bodies(SHAPES[name], 'Good "day" {customer}', values)
    text = json.dumps(msgspec.json.decode(sent))
    assert meant.customer in text
    assert json.dumps('Good "day" {customer}') in text  # what somebody writes is not filled in


def test_what_is_no_text_is_shown_as_what_it_is_and_what_is_no_message_is_left() -> None:
    whatsapp, _ = BODIES["whatsapp"]
    value = whatsapp["entry"][0]["changes"][0]["value"]
    value = {**value, "messages": [{"from": "1", "id": "2", "type": "image", "image": {"id": "x"}}]}
    body: dict[str, Any] = {
        "entry": [{"changes": [{"value": value}, {"value": {"statuses": [{"id": "9"}]}}]}]
    }
    messages, others = read(SHAPES["whatsapp"], json.dumps(body).encode())
    assert [(each.text, each.external) for each in messages] == [("[image]", "2")]
    assert others == 0
    picture: dict[str, Any] = {"chat": {"id": -5, "type": "private"}, "photo": []}
    body = {"update_id": 1, "message": {**picture, "caption": "look"}}
    assert read(SHAPES["telegram"], json.dumps(body).encode())[0][0].text == "look"
    body = {"update_id": 1, "message": picture}
    assert read(SHAPES["telegram"], json.dumps(body).encode())[0][0].text == "[message]"
    for body in (
        {"update_id": 2, "edited_message": picture},
        {"update_id": 2, "message": {**picture, "chat": {"id": 5, "type": "group"}}},
    ):
        assert read(SHAPES["telegram"], json.dumps(body).encode()) == ([], 1)
    follow = {"events": [{"type": "follow", "source": {"type": "user", "userId": "U"}}]}
    assert read(SHAPES["line"], json.dumps(follow).encode()) == ([], 1)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b'"x"', b"[]", b"null", b"7"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_body_that_makes_no_sense_is_refused_or_empty(name: str, raw: bytes) -> None:
    try:
        messages, _ = read(SHAPES[name], raw)
    except ValueError as error:
        assert str(error) == "the body is no JSON"
    else:
        assert messages == []


def test_no_body_makes_it_stumble_and_none_is_without_an_end() -> None:
    draw = random.Random(7)

    def bent(value: Any) -> Any:
        if draw.random() < 0.12:
            return draw.choice(
                [None, 7, "x" * 5000, [], {}, [[]], True, -1.5, [value], {"a": value}]
            )
        if isinstance(value, dict):
            return {key: bent(each) for key, each in value.items()}
        return [bent(each) for each in value] if isinstance(value, list) else value

    for _ in range(3000):
        name = draw.choice(list(SHAPES))
        messages, _ = read(SHAPES[name], json.dumps(bent(BODIES[name][0])).encode())
        for each in messages:
            assert each.customer
            assert each.text
            rest = (each.customer, each.external, each.called, each.name, each.language)
            assert all(isinstance(one, str) and len(one) <= 256 for one in rest)
    line, _ = BODIES["line"]
    many = {**line, "events": line["events"] * 201}
    with pytest.raises(ValueError, match="more than 200"):
        read(SHAPES["line"], json.dumps(many).encode())


def test_only_who_knows_the_secret_is_believed() -> None:
    body, now = b'{"a": 1}', 1_700_000_000.0
    digest = hmac.digest(SECRET.encode(), body, hashlib.sha256)
    signed = {
        "webhook-id": "m1",
        "webhook-timestamp": str(int(now)),
        "webhook-signature": sign(secret_key(SECRET), "m1", int(now), body),
    }
    right: dict[str, tuple[dict[str, str], dict[str, str]]] = {
        "plain": (signed, {}),
        "whatsapp": ({"x-hub-signature-256": f"sha256={digest.hex()}"}, {}),
        "telegram": ({"x-telegram-bot-api-secret-token": SECRET}, {}),
        "line": ({"x-line-signature": base64.b64encode(digest).decode()}, {}),
        "kakao": ({}, {"token": SECRET}),
    }
    for name, (headers, query) in right.items():
        shape = SHAPES[name]
        assert proven(shape, SECRET, headers, query, body, now), name
        assert not proven(shape, SECRET, {}, {}, body, now), name
        assert not proven(shape, "another, also of 24 bytes and more", headers, query, body, now)
        for key in headers:
            for wrong in ("", "é", headers[key][:-1], headers[key] + "x", "9" * 40):
                assert not proven(shape, SECRET, {**headers, key: wrong}, query, body, now), key
        if name not in ("telegram", "kakao"):
            assert not proven(shape, SECRET, headers, query, body + b" ", now), name
    assert not proven(SHAPES["plain"], SECRET, signed, {}, body, now + 301)
    assert not proven(SHAPES["plain"], SECRET, signed, {}, body, now - 301)


def test_a_long_answer_is_cut_between_words() -> None:
    text = "word " * 500
    pieces = parts(text.strip(), 1000)
    assert [len(each) <= 1000 for each in pieces] == [True] * 3
    assert " ".join(pieces) == text.strip()
    assert parts("x" * 2500, 1000) == ["x" * 1000, "x" * 1000, "x" * 500]
    assert parts("", 1000) == [""]
    shape = msgspec.structs.replace(SHAPES["kakao"], longest=4)
    made = bodies(shape, "one two", {"id": "7", "customer": "c", "called": "s", "name": ""})
    assert [msgspec.json.decode(each)["serial_number"] for each in made] == ["7", "7-1"]


def test_settings_say_what_is_otherwise() -> None:
    settings = GatewaySettings(
        url="https://example.com",
        secret=Secret(SECRET),
        shape="line",
        proof="token",
        header="X-Key",
        read={"text": "^.a[].b|=none", "messages": ""},
        where={},
        write={"t": "{text}"},
        longest=7,
    )
    form = settings.form()
    assert (form.proof, form.header, form.longest) == ("token", "x-key", 7)
    assert form.once == "x-line-retry-key"
    assert isinstance(form, Shape)
    found, _ = read(form, b'{"source": {"userId": "u"}}')
    assert [each.text for each in found] == ["none"]
