"""What holds for the whole API: errors, headers, cursors, tags, idempotency, limits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cicswitch.api.endpoint import ENDPOINTS
from cicswitch.api.idempotency import Idempotency, Kept
from cicswitch.api.problems import Problem
from cicswitch.api.serving import BODY_LIMIT
from tests.api.served import EXTRA, PASSWORD, Served, problem, served


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


# -- errors --------------------------------------------------------------------------------------


async def test_every_error_is_a_problem_document(api: Served) -> None:
    root, nobody = await api.token("administrator"), api.client()
    problem(await root.get("/api/v1/nothing"), 404)
    problem(await nobody.get("/nothing"), 404)
    reply = await root.delete("/api/v1/queues")
    problem(reply, 405)
    assert reply.headers["allow"] == "GET"
    reply = await root.put("/api/v1/accounts/kim")
    problem(reply, 405)
    assert reply.headers["allow"] == "DELETE, GET, PATCH"
    reply = await nobody.get("/api/v1/queues")
    assert "not known" in problem(reply, 401)["title"]
    assert reply.headers["www-authenticate"] == "Bearer"
    problem(await nobody.get("/api/v1/queues", headers={"Authorization": "Bearer x"}), 401)
    problem(await nobody.get("/api/v1/queues", headers={"Authorization": "Basic eDp5"}), 401)
    body = problem(await root.get("/api/v1/agents/leo"), 404)
    assert body["detail"] == 'there is no agent "leo"'


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"text": "a" "b"}', b"[" * 100_000])
async def test_a_body_that_is_no_json_is_400(api: Served, raw: bytes) -> None:
    root = await api.token("administrator")
    headers = {"Content-Type": "application/json"}
    reply = await root.post("/api/v1/accounts", content=raw, headers=headers)
    problem(reply, 400)


async def test_every_mistake_of_a_body_has_its_pointer(api: Served) -> None:
    root = await api.token("administrator")
    body = {"name": 7, "role": "king", "nmae": "x", "agent": None}
    errors = problem(await root.post("/api/v1/accounts", json=body), 422)["errors"]
    found = {error["pointer"]: error["expected"] for error in errors}
    assert found["/name"] == "text"
    assert found["/role"].startswith('one of "administrator", "agent"')
    assert 'did you mean "name"?' in found["/nmae"]
    assert found["/agent"] == "a value"
    assert "password" in found[""]
    body = {"skills": {"a/b~c": 101, "korean": "high"}}
    errors = problem(await root.put("/api/v1/agents/kim/skills", json=body), 422)["errors"]
    assert [error["pointer"] for error in errors] == ["/skills/a~1b~0c", "/skills/korean"]
    errors = problem(await root.post("/api/v1/accounts", json=[1]), 422)["errors"]
    assert errors == [{"pointer": "", "found": "a list", "expected": "a table"}]


async def test_what_takes_no_body_refuses_fields(api: Served) -> None:
    root = await api.token("administrator")
    reply = await root.post("/api/v1/agents/kim/ready", json={"now": True})
    assert problem(reply, 422)["errors"][0]["pointer"] == "/now"


async def test_every_mistake_of_a_query_has_its_name(api: Served) -> None:
    root = await api.token("administrator")
    reply = await root.get("/api/v1/agents?limit=0&stat=idle&state=a&state=b&cursor=%00")
    found = {error["parameter"]: error for error in problem(reply, 422)["errors"]}
    assert set(found) == {"limit", "stat", "state"}
    assert "`int` >= 1" in found["limit"]["detail"]
    assert "cursor, limit, state" in found["stat"]["expected"]
    problem(await root.get("/api/v1/agents?cursor=***"), 422)
    problem(await root.get("/api/v1/audit?cursor=a2lt"), 422)
    problem(await root.get("/api/v1/me?x=1"), 422)


async def test_only_json_is_read(api: Served) -> None:
    root = await api.token("administrator")
    problem(await root.post("/api/v1/accounts", data={"name": "x"}), 415)


async def test_a_body_that_is_too_large_is_not_read(api: Served) -> None:
    root = await api.token("administrator")
    headers = {"Content-Type": "application/json"}
    body = b'{"text": "' + b" " * BODY_LIMIT + b'"}'
    reply = await root.post("/api/v1/configuration/check", content=body, headers=headers)
    problem(reply, 413)

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (BODY_LIMIT // 16)

    reply = await root.post("/api/v1/configuration/check", content=parts(), headers=headers)
    problem(reply, 413)


async def test_an_error_that_nobody_expected_tells_nothing(
    api: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.web.api, "figures", "the inside")
    root = await api.token("administrator")
    reply = await root.get("/api/v1/queues/support")
    problem(reply, 500)
    assert "inside" not in reply.text


# -- headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/api/v1/queues", "/nothing", "/openapi.json"])
async def test_browsers_are_told_to_be_strict(api: Served, path: str) -> None:
    headers = (await api.client().get(path)).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    assert "strict-transport-security" not in headers  # not over HTTP
    assert (headers.get("cache-control") == "no-store") is path.startswith("/api")


# -- lists ---------------------------------------------------------------------------------------


async def test_a_cursor_goes_through_a_list_once(api: Served) -> None:
    root = await api.token("administrator")
    seen: list[str] = []
    cursor = ""
    for _ in range(10):
        page = (await root.get(f"/api/v1/accounts?limit=2&cursor={cursor}")).json()
        assert len(page["items"]) <= 2
        seen += [item["name"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
        if len(seen) == 2:  # what is behind the cursor does not shift what is before it
            await root.delete(f"/api/v1/accounts/{seen[1]}")
    assert seen == ["administrator", "agent", "planner", "quality", "supervisor"]


async def test_a_filtered_list_is_whole(api: Served) -> None:
    root = await api.token("administrator")
    page = (await root.get("/api/v1/agents?state=idle&limit=1")).json()
    names = [item["agent"] for item in page["items"]]
    while page["next"] is not None:
        page = (await root.get(f"/api/v1/agents?state=idle&limit=1&cursor={page['next']}")).json()
        names += [item["agent"] for item in page["items"]]
    assert names == ["kim"]
    page = (await root.get("/api/v1/agents")).json()
    assert [item["agent"] for item in page["items"]] == ["kim", "lee"]
    assert page["next"] is None


# -- tags ----------------------------------------------------------------------------------------


async def test_a_tag_that_is_still_right_is_304_and_a_stale_one_412(api: Served) -> None:
    root = await api.token("administrator")
    first = await root.get("/api/v1/accounts/agent")
    tag = first.headers["etag"]
    reply = await root.get("/api/v1/accounts/agent", headers={"If-None-Match": f'"x", {tag}'})
    assert (reply.status_code, reply.content) == (304, b"")
    change = {"display_name": "Lee"}
    reply = await root.patch("/api/v1/accounts/agent", json=change, headers={"If-Match": tag})
    assert reply.status_code == 200
    assert reply.headers["etag"] != tag
    change = {"display_name": "Leo"}
    reply = await root.patch("/api/v1/accounts/agent", json=change, headers={"If-Match": tag})
    problem(reply, 412)
    for method, path, body in (
        ("DELETE", "/api/v1/accounts/agent", None),
        ("POST", "/api/v1/accounts/agent/password", {"password": "a new password"}),
        ("PUT", "/api/v1/agents/kim/skills", {"skills": {}}),
        ("POST", "/api/v1/agents/kim/pause", {}),
    ):
        problem(await root.request(method, path, json=body, headers={"If-Match": tag}), 412)
    assert (await root.get("/api/v1/accounts/agent")).json()["display_name"] == "Lee"
    assert api.center.state("kim") == "idle"
    current = (await root.get("/api/v1/accounts/agent")).headers["etag"]
    for tag in (f'"x", {current}', "*"):
        headers = {"If-Match": tag}
        reply = await root.patch("/api/v1/accounts/agent", json={}, headers=headers)
        assert reply.status_code == 200


def test_whatever_can_be_changed_has_a_tag_and_takes_one() -> None:
    readable = {each.path: each for each in ENDPOINTS if each.method == "GET"}
    for each in ENDPOINTS:
        if each.method in ("PUT", "PATCH"):
            assert readable[each.path].tagged, each.path
            assert 412 in each.errors, each.path


# -- idempotency ---------------------------------------------------------------------------------


async def test_a_post_that_is_sent_again_is_done_once(api: Served) -> None:
    root = await api.token("administrator")
    headers = {"Idempotency-Key": "k1"}
    body = {"label": "x", "scopes": ["queues:read"]}
    first = await root.post("/api/v1/accounts/planner/tokens", json=body, headers=headers)
    again = await root.post("/api/v1/accounts/planner/tokens", json=body, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await root.get("/api/v1/accounts/planner/tokens")).json()["items"]) == 1
    other = {**body, "label": "y"}
    reply = await root.post("/api/v1/accounts/planner/tokens", json=other, headers=headers)
    assert problem(reply, 422)["errors"][0]["parameter"] == "Idempotency-Key"
    # A key belongs to who gives it.
    mine = await api.token("planner")
    reply = await mine.post("/api/v1/me/tokens", json=body, headers=headers)
    assert reply.status_code == 201


async def test_two_at_once_with_a_key_are_done_once(api: Served) -> None:
    root = await api.token("administrator")
    body = {"name": "new", "role": "agent", "password": PASSWORD}
    replies = await asyncio.gather(
        *(
            root.post("/api/v1/accounts", json=body, headers={"Idempotency-Key": "k"})
            for _ in range(8)
        )
    )
    made = [reply for reply in replies if reply.status_code == 201]
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert sum("idempotency-replayed" not in reply.headers for reply in made) == 1


def test_kept_answers_are_bounded_in_number_size_and_time() -> None:
    kept = Idempotency(most=10, most_bytes=1000)
    for number in range(100):
        assert kept.begin("a", str(number), "POST", "/", b"", 0.0) is None
        kept.end("a", str(number), Kept(200, {}, b"x" * 50))
    assert len(kept) == 10
    assert kept.begin("a", "big", "POST", "/", b"", 0.0) is None
    kept.end("a", "big", Kept(200, {}, b"x" * 980))
    assert len(kept) == 1
    assert kept.begin("a", "big", "POST", "/", b"", 86399.0) is not None
    assert kept.begin("a", "big", "POST", "/", b"", 86401.0) is None
    with pytest.raises(Problem):
        kept.begin("a", "x" * 256, "POST", "/", b"", 0.0)


# -- limits --------------------------------------------------------------------------------------


async def test_requests_per_minute_are_limited_and_told(tmp_path: Path) -> None:
    async with served(tmp_path, extra="[http]\nrequests_per_minute = 5\n") as api:
        root, other = await api.token("administrator"), await api.token("planner")
        left = []
        for _ in range(5):
            reply = await root.get("/api/v1/me")
            assert reply.headers["ratelimit-limit"] == "5"
            left.append(reply.headers["ratelimit-remaining"])
        assert left == ["4", "3", "2", "1", "0"]
        reply = await root.get("/api/v1/me")
        problem(reply, 429)
        assert 1 <= int(reply.headers["retry-after"]) <= 12
        assert (await other.get("/api/v1/me")).status_code == 200
        assert (await root.get("/health")).status_code == 200


async def test_strangers_are_limited_by_address(api: Served) -> None:
    nobody = api.client()
    statuses: set[int] = set()
    for _ in range(2000):
        statuses.add((await nobody.get("/api/v1/me")).status_code)
        if 429 in statuses:
            break
    assert statuses == {401, 429}
    assert (await (await api.token("planner")).get("/api/v1/me")).status_code == 200


async def test_a_request_that_makes_no_sense_ends_nothing(api: Served) -> None:
    for junk in (b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"GET /api/v1/me HTTP/1.1\r\nHost"):
        with socket.create_connection(("127.0.0.1", api.web.server.port)) as raw:
            raw.sendall(junk)
    assert (await api.client().get("/health")).status_code == 200


def test_the_extra_of_tests_lifts_the_limit() -> None:
    assert "requests_per_minute" in EXTRA


async def test_what_anybody_sends_fills_no_log(
    api: Served, caplog: pytest.LogCaptureFixture
) -> None:
    url = api.url.replace("http", "ws") + "/api/v1/events"
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.web.server.port)
        writer.write(b"NONSENSE\0\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()
        with pytest.raises(InvalidStatus):
            async with connect(url, proxy=None):
                pass
    assert (await api.client().get("/api/v1/nothing")).status_code == 404  # all is dealt with
    assert not caplog.records
