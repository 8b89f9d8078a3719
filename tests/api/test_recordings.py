"""Recordings over the API: of calls of PJSIP phones through a real switch."""

from __future__ import annotations

import io
import os
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cicswitch.api.ranges import wanted
from cicswitch.calls import events as ev
from cicswitch.client import ApiProblem, Client, NotFoundProblem
from cicswitch.core.errors import ResourceError
from tests.api.served import Served, problem, served
from tests.support.phone import phone
from tests.support.sound import write_tone

pytestmark = pytest.mark.interop


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


async def talk(api: Served, folder: Path, seconds: float = 1.2) -> ev.RecordingEnded:
    """A call from 2001 to kim, who says nothing; the customer's tone is loud."""
    c, tone = api.center, write_tone(folder / "tone.wav", 440)
    async with (
        phone("1001", c.server, "--answer-after", "0.1"),
        phone("2001", c.server, "--play", str(tone)) as customer,
    ):
        customer.do("call", to="5000")
        begun = await c.event(ev.RecordingStarted)
        await c.until(lambda: c.switch.clock.now() > begun.at + seconds)
        customer.do("hangup")
        ended: ev.RecordingEnded = await c.event(ev.RecordingEnded)
    await c.switch.store.committed()
    return ended


async def message(api: Served) -> ev.VoicemailLeft:
    """A message of 2001 in the box `main`."""
    c = api.center
    async with phone("2001", c.server) as customer:
        customer.do("call", to="5003")
        begun = await c.event(ev.VoicemailStarted)
        await c.until(lambda: c.switch.clock.now() > begun.at + 0.5)
        customer.do("hangup")
        left: ev.VoicemailLeft = await c.event(ev.VoicemailLeft)
    await c.switch.store.committed()
    return left


async def items(client: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    reply = await client.get(f"/api/v1/recordings{query}")
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["items"]
    return found


async def listened(api: Served) -> list[tuple[str, str]]:
    found = await api.audit()
    return [(each.who, each.target) for each in found if each.action == "recording.listen"]


async def test_a_talk_is_found_heard_and_seen(api: Served, tmp_path: Path) -> None:
    ended = await talk(api, tmp_path)
    quality = await api.token("quality")
    (item,) = await items(quality)
    path = Path(ended.path)
    assert item["recording"] == ended.recording
    assert (item["kind"], item["queue"], item["agent"]) == ("recording", "support", "kim")
    assert (item["caller"], item["called"], item["segment"]) == ("2001", "5000", "")
    assert (item["gone"], item["channels"]) == (False, 2)
    assert item["size"] == path.stat().st_size
    assert item["duration_s"] == pytest.approx(ended.duration_ms / 1000, abs=0.01)
    where = f"/api/v1/recordings/{ended.recording}"
    assert (await quality.get(where)).json() == item
    reply = await quality.get(f"{where}/audio")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "audio/wav"
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.content == path.read_bytes()
    with wave.open(io.BytesIO(reply.content)) as file:
        assert file.getnchannels() == 2
    seen = (await quality.get(f"{where}/waveform?points=20")).json()
    left, right = (np.array(channel) for channel in seen["channels"])
    assert len(left) == len(right) == 20
    assert 0.2 < left.max() < 0.3  # the tone has a quarter of full scale
    assert right.max() < left.max() / 2  # nobody speaks
    assert seen["duration_s"] == item["duration_s"]
    for points in (0, 9, 2001):
        problem(await quality.get(f"{where}/waveform?points={points}"), 422)


async def test_parts_of_it_are_given_out(api: Served, tmp_path: Path) -> None:
    ended = await talk(api, tmp_path)
    client = await api.token("supervisor")
    where = f"/api/v1/recordings/{ended.recording}/audio"
    whole = Path(ended.path).read_bytes()
    size = len(whole)
    tag = (await client.get(where)).headers["etag"]

    async def part(text: str, **more: str) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in more.items()}
        return await client.get(where, headers={"Range": text, **names})

    for text, begin, end in (
        ("bytes=0-99", 0, 100),
        ("bytes=44-", 44, size),
        ("bytes=-100", size - 100, size),
        (f"bytes=-{size * 2}", 0, size),
        (f"bytes=100-{size * 2}", 100, size),
        (f"bytes={size - 1}-", size - 1, size),
    ):
        reply = await part(text)
        assert reply.status_code == 206, text
        assert reply.headers["content-range"] == f"bytes {begin}-{end - 1}/{size}"
        assert reply.headers["content-length"] == str(end - begin)
        assert reply.content == whole[begin:end], text
    for text in (f"bytes={size}-", "bytes=-0", f"bytes={size + 5}-{size + 9}"):
        reply = await part(text)
        problem(reply, 416)
        assert reply.headers["content-range"] == f"bytes */{size}"
    for text in ("bytes=9-3", "bytes=0-1,5-6", "lines=0-1", "bytes=-", "bytes=a-b"):
        reply = await part(text)
        assert (reply.status_code, reply.content) == (200, whole), text
    assert (await part("bytes=0-9", If_Range=tag)).status_code == 206
    assert (await part("bytes=0-9", If_Range='"other"')).content == whole
    reply = await client.get(where, headers={"If-None-Match": tag})
    assert (reply.status_code, reply.content) == (304, b"")
    assert reply.headers.get_list("etag") == [tag]


async def test_the_client_finds_hears_and_removes_it(api: Served, tmp_path: Path) -> None:
    ended = await talk(api, tmp_path)
    whole = Path(ended.path).read_bytes()
    asking = await api.token("administrator")
    secret = str(asking.headers["Authorization"]).removeprefix("Bearer ")
    async with Client(api.url, token=secret) as one:
        (found,) = [each async for each in one.recordings(agent="kim", kind="recording")]
        assert (found.recording, found.size) == (ended.recording, len(whole))
        assert [each async for each in one.recordings(until=found.started_at)] == []
        assert await one.audio(found.recording) == whole
        assert await one.audio(found.recording, 44, 144) == whole[44:144]
        assert await one.audio(found.recording, len(whole) - 10) == whole[-10:]
        with pytest.raises(ApiProblem) as caught:
            await one.audio(found.recording, len(whole))
        assert caught.value.status == 416
        with pytest.raises(ValueError, match="no bytes"):
            await one.audio(found.recording, 5, 5)
        drawn = await one.waveform(found.recording, 20)
        assert [len(channel) for channel in drawn.channels] == [20, 20]
        await one.remove_recording(found.recording, tag=await one.recording(found.recording))
        with pytest.raises(NotFoundProblem):
            await one.audio(found.recording)
    assert not Path(ended.path).exists()


def test_a_part_of_nothing_is_none() -> None:
    assert wanted({}, 0, "t") is None
    with pytest.raises(Exception, match="0 bytes"):
        wanted({"range": "bytes=0-"}, 0, "t")


async def test_each_listening_is_in_the_audit_log_once_a_minute(
    api: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = await talk(api, tmp_path)
    where = f"/api/v1/recordings/{ended.recording}"
    quality, root = await api.token("quality"), await api.token("administrator")
    await items(quality)
    await quality.get(where)
    await quality.get(f"{where}/waveform")
    assert await listened(api) == []
    for begin in (0, 100, 200):
        await quality.get(f"{where}/audio", headers={"Range": f"bytes={begin}-{begin + 9}"})
    assert await listened(api) == [("quality", ended.recording)]
    await root.get(f"{where}/audio")
    assert await listened(api) == [("quality", ended.recording), ("administrator", ended.recording)]
    now = time.time()
    monkeypatch.setattr("cicswitch.api.serving.time.time", lambda: now + 61)
    await quality.get(f"{where}/audio")
    assert len(await listened(api)) == 3


async def test_what_cannot_be_noted_is_not_given_out(
    api: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = await talk(api, tmp_path)
    client = await api.token("quality")

    async def fails(*_: Any) -> None:
        raise ResourceError("the disk is full")

    monkeypatch.setattr(api.directory, "note", fails)
    for _ in range(2):
        reply = await client.get(f"/api/v1/recordings/{ended.recording}/audio")
        assert "not given out" in problem(reply, 503)["detail"]


async def test_who_may_listen(api: Served, tmp_path: Path) -> None:
    ended = await talk(api, tmp_path)
    where = f"/api/v1/recordings/{ended.recording}"
    lee, root = await api.token("agent"), await api.token("administrator")
    assert await items(lee) == []
    assert await items(lee, "?agent=kim") == []
    for path in ("", "/audio", "/waveform"):
        problem(await lee.get(where + path), 403)
    planner = await api.token("planner")
    problem(await planner.get("/api/v1/recordings"), 403)
    reader = await api.token("quality", "recordings:read")
    assert len(await items(reader)) == 1
    problem(await reader.get(f"{where}/audio"), 403)
    problem(await api.client().get(f"{where}/audio"), 401)
    for role in ("supervisor", "quality", "agent"):
        problem(await (await api.token(role)).delete(where), 403)
    await root.patch("/api/v1/accounts/agent", json={"agent": "kim"})
    assert len(await items(lee)) == 1
    assert (await lee.get(f"{where}/audio")).status_code == 200
    assert await listened(api) == [("agent", ended.recording)]


async def test_a_name_is_looked_up_and_never_a_path(api: Served, tmp_path: Path) -> None:
    ended = await talk(api, tmp_path)
    root = await api.token("administrator")
    for name in (
        *("none", "..%2f..%2fstore.db", "%2e%2e", ended.path.replace("/", "%2f")),
        *("store.db", Path(ended.path).name, "%00", "'%20OR%201=1--"),
    ):
        for path in ("", "/audio", "/waveform"):
            problem(await root.get(f"/api/v1/recordings/{name}{path}"), 404)
        problem(await root.delete(f"/api/v1/recordings/{name}"), 404)
    assert Path(ended.path).exists()
    assert await listened(api) == []


async def test_one_that_is_removed_is_gone_and_its_call_is_not(api: Served, tmp_path: Path) -> None:
    ended = await talk(api, tmp_path)
    root = await api.session("administrator")
    where = f"/api/v1/recordings/{ended.recording}"
    tag = (await root.get(where)).headers["etag"]
    problem(await root.delete(where, headers={"If-Match": '"other"'}), 412)
    assert (await root.delete(where, headers={"If-Match": tag})).status_code == 204
    assert not Path(ended.path).exists()
    item = (await root.get(where)).json()
    assert (item["gone"], item["size"], item["channels"]) == (True, None, None)
    assert (item["agent"], item["duration_s"]) == ("kim", ended.duration_ms / 1000)
    assert (await items(root))[0]["gone"] is True
    for path in ("/audio", "/waveform"):
        assert problem(await root.get(where + path), 404)["detail"] == "its file is gone"
    problem(await root.delete(where), 404)
    entries = [each for each in await api.audit() if each.action.startswith("recording.")]
    assert [(each.action, each.target) for each in entries] == [
        ("recording.remove", ended.recording)
    ]
    assert entries[0].before["agent"] == "kim"
    (record,) = await api.center.rows("interaction")
    assert record["outcome"] == "handled"


async def test_messages_are_among_them_and_each_filter_counts(api: Served, tmp_path: Path) -> None:
    ended, left = await talk(api, tmp_path), await message(api)
    client = await api.token("supervisor")
    voicemail, recording = await items(client)
    assert voicemail["recording"] == left.recording
    assert (voicemail["kind"], voicemail["box"]) == ("voicemail", "main")
    assert (voicemail["agent"], voicemail["caller"]) == ("", "2001")
    assert recording["recording"] == ended.recording
    both, talk_only, message_only = (
        [left.recording, ended.recording],
        [ended.recording],
        [left.recording],
    )
    at = recording["started_at"]
    for query, expected in (
        ("?kind=voicemail", message_only),
        ("?kind=recording", talk_only),
        ("?queue=support", talk_only),
        ("?queue=korean", []),
        ("?agent=kim", talk_only),
        ("?number=20", both),
        ("?number=5003", message_only),
        ("?number=001", []),
        ("?segment=vip", []),
        ("?shortest_s=1.1", talk_only),
        (f"?since={at + 0.5}", message_only),
        (f"?until={at + 0.5}", talk_only),
    ):
        found = [each["recording"] for each in await items(client, query)]
        assert found == expected, query
    problem(await client.get("/api/v1/recordings?kind=fax"), 422)
    first = (await client.get("/api/v1/recordings?limit=1")).json()
    assert [each["recording"] for each in first["items"]] == message_only
    second = (await client.get(f"/api/v1/recordings?limit=1&cursor={first['next']}")).json()
    assert [each["recording"] for each in second["items"]] == talk_only
    assert second["next"] is None
    for cursor in ("***", "a2lt", "bmFuIDE", "MSAtMQ"):
        problem(await client.get(f"/api/v1/recordings?cursor={cursor}"), 422)
    assert (await client.get(f"/api/v1/recordings/{left.recording}/audio")).status_code == 200


async def test_a_client_that_goes_leaves_no_file_open(api: Served, tmp_path: Path) -> None:
    ended = await talk(api, tmp_path)
    os.truncate(ended.path, 64 << 20)
    client = await api.token("quality")
    where = f"/api/v1/recordings/{ended.recording}/audio"

    def open_files() -> int:
        return sum(
            1
            for each in Path("/proc/self/fd").iterdir()
            if each.is_symlink() and str(each.readlink()) == ended.path
        )

    async with client.stream("GET", where) as reply:
        assert reply.headers["content-length"] == str(64 << 20)
        async for _ in reply.aiter_raw(65536):
            break
        assert open_files() == 1
    await api.center.until(lambda: open_files() == 0)
