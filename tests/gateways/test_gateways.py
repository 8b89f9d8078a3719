"""What gateways post, and what they are sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from cicswitch.core.signature import secret_key, sign
from cicswitch.core.toml import Secret
from cicswitch.gateways.files import FileAt, address
from cicswitch.gateways.links import link, linked
from cicswitch.gateways.proof import proven
from cicswitch.gateways.reading import Written, read
from cicswitch.gateways.shape import SHAPES, GatewaySettings, Shape
from cicswitch.gateways.writing import bodies, file_body, parts

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


def _of_whatsapp(message: dict[str, Any]) -> dict[str, Any]:
    value = BODIES["whatsapp"][0]["entry"][0]["changes"][0]["value"]
    return {"entry": [{"changes": [{"value": {**value, "messages": [message]}}]}]}


_PHOTO = [{"file_id": "small", "file_size": 900}, {"file_id": "large", "file_size": 90_000}]
PICTURES: dict[str, tuple[Any, Written]] = {
    "plain": (
        {"id": "m2", "customer": "kim", "files": [{"url": "https://a.example/1", "name": "1.jpg"}]},
        Written("kim", "", "m2", files=(FileAt("file", "", "https://a.example/1", "1.jpg"),)),
    ),
    "whatsapp": (
        _of_whatsapp(
            {
                "from": "1650",
                "id": "wamid.2",
                "type": "document",
                "document": {
                    "id": "MEDIA",
                    "mime_type": "image/png",
                    "filename": "bill.png",
                    "caption": "the bill",
                },
            }
        ),
        Written(
            *("1650", "the bill", "wamid.2", "15550783881", "Kim", ""),
            (FileAt("document", "MEDIA", "", "bill.png"),),
        ),
    ),
    "telegram": (
        {
            "update_id": 7,
            "message": {
                "chat": {"id": 1111, "type": "private"},
                "photo": _PHOTO,
                "caption": "look",
            },
        },
        Written("1111", "look", "7", files=(FileAt("message", "large"),)),
    ),
    "line": (
        {
            "destination": "U1",
            "events": [
                {
                    "type": "message",
                    "source": {"type": "user", "userId": "U2"},
                    "message": {"id": "45", "type": "file", "fileName": "a.txt", "fileSize": 7},
                }
            ],
        },
        Written("U2", "", "45", "U1", files=(FileAt("file", "45", "", "a.txt"),)),
    ),
    "kakao": (
        {
            "user_key": "Xj1bW5wlE5SR",
            "sender_key": "4c95",
            "serial_number": "s2",
            "type": "IM",
            "contents": "https://a.example/i.jpg",
        },
        Written(
            *("Xj1bW5wlE5SR", "", "s2", "4c95"),
            files=(FileAt("IM", "", "https://a.example/i.jpg"),),
        ),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_of_each_shape(name: str) -> None:
    body, meant = PICTURES[name]
    assert read(SHAPES[name], json.dumps(body).encode()) == ([meant], 0)


def test_a_link_of_lines_own_is_taken_before_its_name_and_a_sticker_has_no_file() -> None:
    body, _ = PICTURES["line"]
    provider = {"type": "external", "originalContentUrl": "https://a.example/x"}
    event = body["events"][0]
    for message, files in (
        ({"id": "1", "type": "image", "contentProvider": provider}, "https://a.example/x"),
        ({"id": "1", "type": "sticker", "packageId": "1"}, ""),
    ):
        told = {"events": [{**event, "message": message}]}
        (found,), _ = read(SHAPES["line"], json.dumps(told).encode())
        assert "".join(each.link for each in found.files) == files
        assert found.text == ("" if files else "[sticker]")


def test_addresses_are_those_of_the_gateway() -> None:
    telegram = "https://api.telegram.org/botTOKEN/sendMessage"
    made = address(SHAPES["telegram"].look_up, telegram, media="a/b?c")
    assert made == "https://api.telegram.org/botTOKEN/getFile?file_id=a%2Fb%3Fc"
    made = address(SHAPES["telegram"].fetch, telegram, found="photos/1 2.jpg")
    assert made == "https://api.telegram.org/file/botTOKEN/photos/1%202.jpg"
    whatsapp = "https://graph.facebook.com/v23.0/55/messages"
    assert address(SHAPES["whatsapp"].look_up, whatsapp, media="7") == (
        "https://graph.facebook.com/v23.0/7"
    )
    assert address(SHAPES["whatsapp"].upload, whatsapp) == (
        "https://graph.facebook.com/v23.0/55/media"
    )


def test_a_link_is_for_its_file_and_its_time() -> None:
    made = link("https://cic.example.com/channel/line", b"k", "d" * 64, "a b.png", 1000.0)
    base, _, query = made.partition("?")
    asked = dict(parse_qsl(query))
    assert base == "https://cic.example.com/channel/line"
    assert linked(b"k", asked, 2000.0) == ("d" * 64, "a b.png")
    assert linked(b"k", asked, 1000.0 + 31 * 86_400) is None
    assert linked(b"l", asked, 2000.0) is None
    for key in asked:
        for wrong in ("", "é", "\ud800", asked[key] + "1"):
            assert linked(b"k", {**asked, key: wrong}, 2000.0) is None
    assert linked(b"k", {}, 2000.0) is None


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
    assert [(each.text, each.external) for each in messages] == [("", "2")]
    assert messages[0].files == (FileAt("image", "x"),)
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
        body = draw.choice([BODIES, PICTURES])[name][0]
        messages, _ = read(SHAPES[name], json.dumps(bent(body)).encode())
        for each in messages:
            assert each.customer
            assert each.text or each.files
            assert all(file.link or file.media for file in each.files)
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
        fetch="https://files.example.com/{media}",
        upload="{origin}/upload",
        upload_part="image",
        uploaded="image",
        write_file={"image_url": "{media}"},
        file_mb=5,
    )
    form = settings.form()
    assert (form.fetch, form.upload) == ("https://files.example.com/{media}", "{origin}/upload")
    assert (form.upload_part, form.uploaded, form.file_mb) == ("image", "image", 5)
    assert file_body(form, True, {"media": "m"}) == b'{"image_url":"m"}'
    assert (form.proof, form.header, form.longest) == ("token", "x-key", 7)
    assert form.once == "x-line-retry-key"
    assert isinstance(form, Shape)
    found, _ = read(form, b'{"source": {"userId": "u"}}')
    assert [each.text for each in found] == ["none"]
