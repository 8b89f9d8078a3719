"""The files of the configuration over the API: read, checked, saved, taken over."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cicswitch import documents as module
from cicswitch.api.accounts.roles import ROLES
from cicswitch.client import (
    Client,
    ConflictProblem,
    InvalidProblem,
    NotFoundProblem,
    StaleProblem,
    UnavailableProblem,
)
from cicswitch.core.errors import ResourceError
from tests.api.served import Served, problem, served

MAIN = "cicswitch.toml"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


@pytest.fixture
async def root(api: Served) -> AsyncIterator[Client]:
    made = await api.token("administrator")
    secret = str(made.headers["Authorization"]).removeprefix("Bearer ")
    async with Client(api.url, token=secret, tries=1) as one:
        yield one


def files(folder: Path) -> dict[str, bytes]:
    """All files of the configuration and what stands beside them."""
    return {
        each.name: each.read_bytes()
        for each in folder.iterdir()
        if each.is_file() and ".toml" in each.name
    }


async def test_texts_are_the_files_byte_by_byte(api: Served, root: Client, tmp_path: Path) -> None:
    listed = [(each.document, each.kind) async for each in root.documents()]
    assert listed == [(MAIN, "configuration"), ("plan.toml", "dialplan")]
    odd = "# 한국어, \ttabs and trailing blanks  \r\n\r\n"
    file = tmp_path / MAIN
    file.write_bytes(file.read_bytes() + odd.encode())
    for name in (MAIN, "plan.toml"):
        view = await root.document(name)
        assert view.text.encode() == (tmp_path / name).read_bytes()
        assert view.file == str(tmp_path / name)
    view = await root.document(MAIN)
    await root.save_document(MAIN, view.text + odd, tag=view)
    assert file.read_bytes() == (view.text + odd).encode()


async def test_what_is_saved_is_taken_over_with_the_old_one_beside_it(
    api: Served, root: Client, tmp_path: Path
) -> None:
    file = tmp_path / MAIN
    file.chmod(0o640)
    before = await root.document(MAIN)
    saved = await root.save_document(MAIN, before.text + "[queue.sales] # new\n", tag=before)
    assert (saved.backup, saved.notes) == (1, [])
    assert "sales" in api.switch.engine.queues
    assert (tmp_path / f"{MAIN}.~1~").read_text() == before.text
    assert file.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / f"{MAIN}.~1~").stat().st_mode & 0o777 == 0o640
    after = await root.document(MAIN)
    assert after.text.endswith("# new\n")
    saved = await root.save_document(MAIN, before.text, tag=after)
    assert saved.backup == 2
    assert (tmp_path / f"{MAIN}.~2~").read_text() == after.text
    again = await root.save_document(MAIN, before.text)
    assert again.backup == 0  # nothing to write
    plan = await root.document("plan.toml")
    text = plan.text + '[[route]]\ncalled = "5999"\nflow = "queue"\n'
    assert (await root.save_document("plan.toml", text, tag=plan)).backup == 1
    assert api.switch.config.plan is not None
    assert any(route.called == "5999" for route, _ in api.switch.config.plan.routes)
    saved = await root.save_document(MAIN, before.text.replace("workers = 1", "workers = 2"))
    assert saved.notes


async def test_the_file_is_replaced_and_never_half_written(
    api: Served, root: Client, tmp_path: Path
) -> None:
    file = tmp_path / MAIN
    before = file.read_text()
    with file.open() as held:  # who reads it meanwhile
        await root.save_document(MAIN, before + "# x\n")
        assert held.read() == before
    assert file.read_text() == before + "# x\n"
    assert not (tmp_path / f".{MAIN}.new").exists()


async def test_a_bad_text_changes_nothing_and_says_where(
    api: Served, root: Client, tmp_path: Path
) -> None:
    before, config = files(tmp_path), api.switch.config
    text = (await root.document(MAIN)).text
    line = text.count("\n") + 2
    bad = text + '[queue.sales]\nring_s = "long"\n'
    (finding,) = (await root.check_document(MAIN, bad)).findings
    assert (finding.file, finding.line) == (str(tmp_path / MAIN), line)
    assert (finding.key, finding.found) == ("queue.sales.ring_s", '"long"')
    assert finding.expected
    with pytest.raises(InvalidProblem) as caught:
        await root.save_document(MAIN, bad)
    assert f"{MAIN}:{line}: queue.sales.ring_s" in caught.value.errors[0].detail
    # A queue that a dialplan needs: the mistake is in the other file.
    for name, broken in (
        (MAIN, text.replace("[queue.korean]", "[queue.other]")),
        ("plan.toml", (await root.document("plan.toml")).text.replace('"korean"', '"koran"', 1)),
        (MAIN, "[queue"),
        (MAIN, ""),
    ):
        found = (await root.check_document(name, broken)).findings
        assert found, broken[:40]
        with pytest.raises(InvalidProblem):
            await root.save_document(name, broken)
    assert (await root.check_document(MAIN, text)).findings == []
    assert files(tmp_path) == before
    assert api.switch.config is config
    assert [each.action for each in await api.audit()].count("configuration.save") == 0


async def test_who_was_slower_does_not_write_over_the_quicker_one(
    api: Served, root: Client, tmp_path: Path
) -> None:
    mine = await root.document(MAIN)
    await root.save_document(MAIN, mine.text + "# theirs\n")
    with pytest.raises(StaleProblem):
        await root.save_document(MAIN, mine.text + "# mine\n", tag=mine)
    assert (tmp_path / MAIN).read_text().endswith("# theirs\n")
    mine = await root.document(MAIN)
    (tmp_path / MAIN).write_text(mine.text + "# by hand\n")
    with pytest.raises(StaleProblem):
        await root.save_document(MAIN, mine.text + "# mine\n", tag=mine)
    mine = await root.document(MAIN)
    saves = (root.save_document(MAIN, f"{mine.text}# {n}\n", tag=mine) for n in range(5))
    told = await asyncio.gather(*saves, return_exceptions=True)
    assert sum(isinstance(each, StaleProblem) for each in told) == 4


@pytest.mark.parametrize(
    "name",
    [
        *("..%2Fcicswitch.toml", "..%2Fsecret.toml", "%2Fetc%2Fpasswd", ":etc:passwd"),
        *(
            "..:secret.toml",
            "..%2F..%2Fsecret.toml",
            "plan.toml%00",
            "store.db",
            "secret.toml",
            "%2e%2e",
        ),
        *("dialplans:..:secret.toml", "cicswitch.toml:", "PLAN.TOML", "plan.toml.~1~", "~"),
    ],
)
async def test_no_name_leads_to_another_file(api: Served, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.toml").write_text("# nobody names this one\n")
    (tmp_path.parent / "secret.toml").write_text("# nor this one\n")
    client = await api.token("administrator")
    before = files(tmp_path)
    for method, path, body in (
        ("GET", name, None),
        ("PUT", name, {"text": "# x\n"}),
        ("POST", f"{name}/check", {"text": "# x\n"}),
    ):
        url = httpx.URL(
            f"{api.url}/api/v1/configuration/documents/",
            raw_path=(b"/api/v1/configuration/documents/" + path.encode()),
        )
        reply = await client.request(method, url, json=body)
        assert reply.status_code in (400, 404, 405), (method, reply.text)
        assert "names" not in reply.text
    assert files(tmp_path) == before
    assert (tmp_path.parent / "secret.toml").read_text() == "# nor this one\n"


async def test_the_configuration_leads_to_no_file_outside_of_its_folder(
    api: Served, root: Client, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "other.toml"
    outside.write_text("# a file of somebody else\n")
    (tmp_path / "linked.toml").symlink_to(outside)
    text = (await root.document(MAIN)).text
    for pattern in (str(outside), f"../{outside.parent.name}/*.toml", "linked.toml"):
        changed = text.replace(
            'dialplans = ["plan.toml"]', f'dialplans = ["plan.toml", "{pattern}"]'
        )
        assert changed != text
        with pytest.raises(InvalidProblem) as caught:
            await root.save_document(MAIN, changed)
        assert "others are named at the machine itself" in caught.value.errors[0].expected
    (tmp_path / "more.toml").write_text("# beside it\n")
    changed = text.replace('dialplans = ["plan.toml"]', 'dialplans = ["plan.toml", "m*.toml"]')
    await root.save_document(MAIN, changed)
    assert "more.toml" in [each.document async for each in root.documents()]
    # What is named at the machine may be edited, wherever it is; a link stays a link.
    (tmp_path / MAIN).write_text(
        text.replace('dialplans = ["plan.toml"]', 'dialplans = ["plan.toml", "linked.toml"]')
    )
    await root.reload_configuration()
    await root.save_document("linked.toml", "# changed\n")
    assert outside.read_text() == "# changed\n"
    assert (tmp_path / "linked.toml").is_symlink()


@pytest.mark.parametrize("role", [role for role in ROLES if role != "administrator"])
async def test_only_administrators(api: Served, tmp_path: Path, role: str) -> None:
    client, before = await api.token(role), files(tmp_path)
    where = "/api/v1/configuration/documents"
    problem(await client.get(where), 403)
    problem(await client.get(f"{where}/{MAIN}"), 403)
    problem(await client.put(f"{where}/{MAIN}", json={"text": ""}), 403)
    problem(await client.post(f"{where}/{MAIN}/check", json={"text": ""}), 403)
    problem(await api.client().get(f"{where}/{MAIN}"), 401)
    assert files(tmp_path) == before


async def test_who_may_see_the_configuration_sees_no_secrets_in_its_text(api: Served) -> None:
    client = await api.token("administrator", "config:read", "config:write")
    where = "/api/v1/configuration/documents"
    assert len((await client.get(where)).json()["items"]) == 2
    problem(await client.get(f"{where}/{MAIN}"), 403)


async def test_the_audit_log_says_what_was_changed_without_secrets(
    api: Served, root: Client
) -> None:
    view = await root.document(MAIN)
    text = view.text.replace("phone-1003", "phone-other").replace("ring_s = 20", "ring_s = 25")
    await root.save_document(MAIN, text)
    entry = (await api.audit())[-1]
    assert (entry.action, entry.target) == ("configuration.save", MAIN)
    assert entry.before == {"device.1003.password": "…", "queue.support.ring_s": 20}
    assert entry.after == {"device.1003.password": "…", "queue.support.ring_s": 25, "backup": 1}


async def test_a_disk_that_refuses_leaves_the_file_as_it_was(
    api: Served, root: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, before = (await root.document(MAIN)).text, files(tmp_path)
    write = os.fsync

    for fails_at in (1, 2):
        count = 0

        def full(descriptor: int) -> None:
            nonlocal count
            count += 1
            if count == fails_at:  # noqa: B023  # called in the same turn of the loop
                raise OSError(28, "No space left on device")
            write(descriptor)

        monkeypatch.setattr("cicswitch.documents.os.fsync", full)
        with pytest.raises(UnavailableProblem, match="No space left"):
            await root.save_document(MAIN, text + "# x\n")
        monkeypatch.setattr("cicswitch.documents.os.fsync", write)
        assert (tmp_path / MAIN).read_bytes() == before[MAIN]
        assert not (tmp_path / f".{MAIN}.new").exists()


async def test_what_cannot_be_taken_over_is_put_back(
    api: Served, root: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (await root.document(MAIN)).text

    async def fails() -> Any:
        raise ResourceError("it cannot be taken over")

    monkeypatch.setattr(api.web.documents, "_reload", fails)
    with pytest.raises(UnavailableProblem, match="taken over"):
        await root.save_document(MAIN, text + "# x\n")
    assert (tmp_path / MAIN).read_text() == text


async def test_the_newest_backups_are_kept(
    api: Served, root: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKUPS", 3)
    text = (await root.document("plan.toml")).text
    for number in range(6):
        await root.save_document("plan.toml", f"{text}# {number}\n")
    kept = sorted(name for name in files(tmp_path) if "~" in name)
    assert kept == [f"plan.toml.~{n}~" for n in (4, 5, 6)]
    assert (tmp_path / "plan.toml.~6~").read_text().endswith("# 4\n")


async def test_the_built_in_configuration_is_not_changed(
    api: Served, root: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BUILT_IN", tmp_path)
    before = files(tmp_path)
    with pytest.raises(ConflictProblem, match="cicswitch init"):
        await root.save_document(MAIN, before[MAIN].decode() + "# x\n")
    assert files(tmp_path) == before


async def test_a_switch_without_a_file_has_no_documents(
    api: Served, root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.switch, "_file", None)
    assert [each async for each in root.documents()] == []
    with pytest.raises(NotFoundProblem):
        await root.document(MAIN)
