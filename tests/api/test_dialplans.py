"""Dialplans made and removed over the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cicswitch import documents as module
from cicswitch.client import (
    Client,
    ConflictProblem,
    InvalidProblem,
    NotFoundProblem,
    StaleProblem,
    UnavailableProblem,
)
from cicswitch.core.errors import ResourceError
from tests.api.served import Served, served

MAIN = "cicswitch.toml"
NIGHT = "plans:night.toml"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        file = tmp_path / MAIN
        text = file.read_text()
        file.write_text(text.replace('["plan.toml"]', '["plan.toml", "plans/*.toml"]'))
        (tmp_path / "plans").mkdir()
        (tmp_path / "plans" / "day.toml").write_text("# a plan without routes\n")
        await found.web.reload()
        yield found


@pytest.fixture
async def root(api: Served) -> AsyncIterator[Client]:
    made = await api.token("administrator")
    secret = str(made.headers["Authorization"]).removeprefix("Bearer ")
    async with Client(api.url, token=secret, tries=1) as one:
        yield one


def files(folder: Path) -> dict[str, bytes]:
    """All files of the configuration and what stands beside them."""
    found = (*folder.iterdir(), *(folder / "plans").iterdir())
    return {
        each.name: each.read_bytes() for each in found if each.is_file() and ".toml" in each.name
    }


def routes(api: Served, number: str) -> list[str]:
    plan = api.switch.config.plan
    assert plan is not None
    return [of.name for route, of in plan.routes if route.called == number]


async def test_a_new_one_begins_with_a_text_that_works_and_goes_with_a_backup(
    api: Served, root: Client, tmp_path: Path
) -> None:
    made = await root.create_document(NIGHT)
    file = tmp_path / "plans" / "night.toml"
    assert (made.document, made.kind, made.file) == (NIGHT, "dialplan", str(file))
    assert file.read_text() == made.text
    assert routes(api, "9000") == ["night.toml"]
    assert NIGHT in [each.document async for each in root.documents()]
    second = await root.create_document("plans:own.toml", "# mine\n")
    assert (tmp_path / "plans" / "own.toml").read_text() == second.text == "# mine\n"
    with pytest.raises(ConflictProblem, match="already"):
        await root.create_document(NIGHT)
    theirs = await root.document(NIGHT)
    await root.save_document(NIGHT, made.text + "# theirs\n", tag=theirs)
    with pytest.raises(StaleProblem):
        await root.delete_document(NIGHT, tag=theirs)
    gone = await root.delete_document(NIGHT, tag=await root.document(NIGHT))
    assert (gone.document, gone.backup) == (NIGHT, 2)
    assert not file.exists()
    assert file.with_name("night.toml.~2~").read_text() == made.text + "# theirs\n"
    assert routes(api, "9000") == []
    with pytest.raises(NotFoundProblem):
        await root.delete_document(NIGHT)
    log = {(each.action, each.target): each for each in await api.audit()}
    assert log["configuration.create", NIGHT].after["route.0.called"] == "9000"
    assert log["configuration.delete", NIGHT].before["route.0.called"] == "9000"
    assert log["configuration.delete", NIGHT].after == {"backup": 2}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../night.toml",
            "plans:..:night.toml",
            "..:night.toml",
            "plans/night.toml",
            "night.toml",
        ),
        *("plans:.night.toml", "plans:night", "plans:night.test.toml", "plans:night.toml.~1~", ""),
        *("plans:night\0.toml", "plans:ni ght.toml", "none:night.toml", "plans:more:night.toml"),
        *("plans::night.toml", ":plans:night.toml", f"plans:{'n' * 70}.toml", "plans:-\n.toml"),
        *("link:night.toml", "plans:night.TOML"),
    ],
)
async def test_a_name_that_is_none_makes_no_file(
    api: Served, root: Client, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (tmp_path / "link").symlink_to(outside)
    file = tmp_path / MAIN
    if name.startswith("link"):
        (outside / "a.toml").write_text("# named at the machine\n")
        file.write_text(file.read_text().replace('"plan.toml",', '"plan.toml", "link/*.toml",'))
        await root.reload_configuration()
    before, config = files(tmp_path), api.switch.config
    with pytest.raises(InvalidProblem):
        await root.create_document(name)
    assert files(tmp_path) == before
    assert not (outside / "night.toml").exists()
    assert api.switch.config is config


async def test_existing_names_are_taken_whatever_they_are(
    api: Served, root: Client, tmp_path: Path
) -> None:
    (tmp_path / "plans" / "dangling.toml").symlink_to(tmp_path / "nothing")
    with pytest.raises(ConflictProblem):
        await root.create_document("plans:dangling.toml")
    (tmp_path / "plans" / "dangling.toml").unlink()
    with pytest.raises(ConflictProblem):
        await root.create_document("plan.toml")
    told = await asyncio.gather(
        *(root.create_document(NIGHT) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(each, ConflictProblem) for each in told) == 3


async def test_a_text_with_a_mistake_and_a_switch_that_refuses_leave_no_file(
    api: Served, root: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(tmp_path)
    with pytest.raises(InvalidProblem) as caught:
        await root.create_document(NIGHT, '[[flow.x]]\ndo = "plya"\n')
    assert "night.toml:2" in caught.value.errors[0].detail

    async def fails() -> Any:
        raise ResourceError("it cannot be taken over")

    text = (await root.document("plans:day.toml")).text
    await root.create_document("plans:spare.toml", text)
    monkeypatch.setattr(api.web.documents, "_reload", fails)
    with pytest.raises(UnavailableProblem):
        await root.create_document(NIGHT)
    with pytest.raises(UnavailableProblem):
        await root.delete_document("plans:spare.toml")
    left = files(tmp_path)
    assert (left.pop("spare.toml"), left.pop("spare.toml.~1~")) == (text.encode(), text.encode())
    assert left == before


async def test_one_that_is_in_use_stays_and_who_uses_it_is_told(
    api: Served, root: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(tmp_path)
    with pytest.raises(ConflictProblem) as caught:
        await root.delete_document("plan.toml")
    told = str(caught.value)
    assert "dialplans[0] names it" in told
    assert "queue.support: no other plan puts calls into it" in told
    with pytest.raises(ConflictProblem, match="dialplans"):  # the last one of its pattern
        await root.delete_document("plans:day.toml")
    with pytest.raises(ConflictProblem, match="configuration itself"):
        await root.delete_document(MAIN)
    assert files(tmp_path) == before
    await root.create_document(NIGHT)
    monkeypatch.setattr(module, "_BUILT_IN", tmp_path)
    for refused in (root.delete_document(NIGHT), root.create_document("plans:x.toml")):
        with pytest.raises(ConflictProblem, match="cicswitch init"):
            await refused
