"""The contract of channels: ours keep it, the example does, and who breaks it is told where."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cicswitch.channels import conformance, load
from cicswitch.channels.conformance import conform
from cicswitch.channels.webhook import Webhook
from cicswitch.contacts.messages import Incoming, Outgoing
from cicswitch.core.errors import ResourceError
from cicswitch.core.toml import Secret
from cicswitch.ports import HttpRequest, Undeliverable
from tests.support.gateway import SECRET, Gateway, event, gateway, signed

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "folder-channel" / "folder_channel.py"


def folder_channel() -> Any:
    """The class of the example."""
    found = importlib.util.spec_from_file_location("folder_channel", EXAMPLE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.Folder


class Folders:
    """The other side of the folder channel: who puts texts there, and who takes them."""

    def __init__(self, place: Path) -> None:
        self.inbox, self.outbox = place / "inbox", place / "outbox"
        self.settings: dict[str, Any] = {"inbox": str(self.inbox), "outbox": str(self.outbox)}

    async def send(self, text: str, name: str) -> None:
        part = self.inbox / f"park-{name}.part"
        part.write_text(text)
        part.rename(part.with_suffix(".txt"))

    async def open(self) -> int:
        return len(list(self.inbox.glob("*.txt")))

    async def answers(self) -> list[str]:
        return [each.read_text() for each in self.outbox.glob("*.txt")]

    async def cut(self, away: bool) -> None:
        aside = self.outbox.with_name("aside")
        if away:
            self.outbox.rename(aside)
        else:
            aside.rename(self.outbox)


class Line:
    """The other side of the webhook channel: a gateway that posts until it is told that all is
    well."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.settings: dict[str, Any] = {
            "url": gateway.url,
            "secret": Secret(SECRET),
            "shape": "line",
            "timeout_s": 2.0,
        }
        self.channel: Webhook | None = None
        self.posting: set[asyncio.Task[None]] = set()

    async def send(self, text: str, name: str) -> None:
        task = asyncio.create_task(self._post(text, name))
        self.posting.add(task)
        task.add_done_callback(self.posting.discard)

    async def _post(self, text: str, name: str) -> None:
        raw = json.dumps({"destination": "shop", "events": [event("U1", name, text)]}).encode()
        headers = {key.lower(): value for key, value in signed(raw).items()}
        while True:
            channel = self.channel
            if channel is not None and channel._http is not None:
                answer = await channel.asked(HttpRequest("POST", headers, {}, raw))
                if answer.status == 200:
                    return
            await asyncio.sleep(0.02)

    async def open(self) -> int:
        return len(self.posting)

    async def answers(self) -> list[str]:
        return self.gateway.texts

    async def cut(self, away: bool) -> None:
        self.gateway.answers = [503] * 100 if away else []


@pytest.fixture
async def line(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    async with gateway() as far:
        medium = Line(far)

        def made(*parts: Any) -> Webhook:
            medium.channel = Webhook(*parts)
            return medium.channel

        monkeypatch.setitem(load.OWN, "webhook", made)
        yield medium


async def test_a_messenger_keeps_the_contract(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert [str(each) for each in await conform("webhook", line)] == []
    assert not list(tmp_path.iterdir())  # the trial takes its own files away


async def test_the_example_keeps_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(load.OWN, "folder", folder_channel())
    assert [str(each) for each in await conform("folder", Folders(tmp_path))] == []


async def test_who_breaks_the_contract_is_told_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_channel()

    class Hasty(folder):  # type: ignore[misc, valid-type]  # the example's
        silent_s = "never"
        count = 0

        async def take(self, file: Path) -> None:
            text = file.read_text()
            file.unlink()  # told before it is on disk
            self.count += 1
            await self.host.accept(self, Incoming(customer="", text=text, external=str(self.count)))

        async def deliver(self, out: Outgoing) -> None:
            self.count += 1
            if not self.outbox.exists():
                raise Undeliverable("no folder")
            (self.outbox / f"{self.count}.txt").write_text(out.message.text)

        def state(self) -> dict[str, Any]:
            return {"problem": "", "place": [1]}

        async def test(self) -> str:
            raise ResourceError("nothing is there")

    monkeypatch.setitem(load.OWN, "hasty", Hasty)
    monkeypatch.setattr(conformance, "_SOON_S", 1.0)
    found = [str(each) for each in await conform("hasty", Folders(tmp_path))]
    for words in (
        "silent_s is 'never'",
        "there is no customer",
        "was acknowledged: it is lost",
        "not handed in again",
        "external id has changed",
        "reaches the customer twice",
        "it raises Undeliverable",
        "state()['place']",
        "ResourceError: nothing is there",
    ):
        assert any(words in each for each in found), (words, found)
