"""Who gets in, by what, and what he may do: every role at every endpoint."""

from __future__ import annotations

import asyncio
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cicswitch.api.accounts.roles import ROLE_SCOPES, ROLES, Role
from cicswitch.api.endpoint import ENDPOINTS, Endpoint
from cicswitch.config import load
from cicswitch.core.errors import ConfigError
from tests.api.served import EXTRA, PASSWORD, Served, problem, served
from tests.operation.test_daemon import configure, running
from tests.support.ports import free_port


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


# -- roles ---------------------------------------------------------------------------------------

_BODIES = {
    "/api/v1/me/password": {"current": "wrong", "new": "a new password"},
    "/api/v1/me/tokens": {"label": "x", "scopes": ["queues:read"]},
    "/api/v1/accounts": {"name": "new", "role": "agent", "password": PASSWORD},
    "/api/v1/accounts/{account}": {"display_name": "x"},
    "/api/v1/accounts/{account}/password": {"password": "a new password"},
    "/api/v1/accounts/{account}/tokens": {"label": "x", "scopes": ["queues:read"]},
    "/api/v1/agents/{agent}/pause": {"code": "meal"},
    "/api/v1/agents/{agent}/wrap-up": {"code": "resolved"},
    "/api/v1/agents/{agent}/skills": {"skills": {"korean": 1}},
    "/api/v1/interactions/{interaction}/move": {"queue": "korean"},
    "/api/v1/interactions/{interaction}/prioritise": {"priority": 1},
    "/api/v1/interactions/{interaction}/transfer": {"to": "1001"},
    "/api/v1/interactions/{interaction}/snooze": {"preset": "hour"},
    "/api/v1/interactions/{interaction}/due": {"due_at": None},
    "/api/v1/interactions/{interaction}/consult": {"to": "1001"},
    "/api/v1/interactions/{interaction}/conference": {},
    "/api/v1/interactions/{interaction}/monitor": {"device": "1001"},
    "/api/v1/interactions/{interaction}/take-over": {},
    "/api/v1/interactions/{interaction}/help": {},
    "/api/v1/interactions/{interaction}/note": {"text": "x"},
    "/api/v1/interactions/{interaction}/announce": {"prompt": "x"},
    "/api/v1/conversations/{conversation}/messages": {"text": "x"},
    "/api/v1/conversations/{conversation}/read": {"seq": 1},
    "/api/v1/agents/{agent}/device": {"device": ""},
    "/api/v1/callbacks": {"queue": "none", "number": "2001"},
    "/api/v1/do-not-call": {"number": "2001"},
    "/api/v1/conversations/{conversation}/merge": {"conversation": "none"},
    "/api/v1/conversations/{conversation}/split": {"message": "none"},
    "/api/v1/conversations/{conversation}/draft": {"text": "x"},
    "/api/v1/conversations": {"channel": "x", "to": "x", "text": "x"},
    "/api/v1/tasks": {"channel": "x", "subject": "x"},
    "/api/v1/faxes": {"to": "1", "text": "x"},
    "/api/v1/messages": {"text": "x"},
    "/api/v1/customers": {"name": "x"},
    "/api/v1/customers/import": {"items": [{"name": "x", "addresses": ["id:1"]}]},
    "/api/v1/customers/{customer}": {"name": "x"},
    "/api/v1/customers/{customer}/addresses": {"kind": "id", "value": "1"},
    "/api/v1/customers/{customer}/merge": {"customer": "none"},
    "/api/v1/chat/messages": {"to": "supervisors", "text": "x", "id": "12345678"},
    "/api/v1/chat/read": {"to": "supervisors", "seq": 0},
    "/api/v1/prompts/{language}/{prompt}": {"wav": ""},
    "/api/v1/prompts/{language}/{prompt}/speak": {"text": " "},
    "/api/v1/configuration/check": {"text": ""},
    "/api/v1/configuration/documents": {"document": "x"},
    "/api/v1/configuration/documents/{document}": {"text": ""},
    "/api/v1/configuration/documents/{document}/check": {"text": ""},
}


def of(each: Endpoint) -> tuple[str, str, dict[str, object] | None]:
    path = each.path
    for name, value in (
        *(("{agent}", "lee"), ("{queue}", "support"), ("{account}", "planner")),
        *(("{token}", "none"), ("{session}", "none"), ("{interaction}", "none")),
        *(("{party}", "none"), ("{number}", "2001")),
        *(("{conversation}", "none"), ("{message}", "none")),
        *(("{party}", "none"), ("{alert}", "none"), ("{number}", "2001")),
        *(
            ("{party}", "none"),
            ("{alert}", "none"),
            ("{language}", "en"),
            ("{prompt}", "none"),
            ("{number}", "2001"),
        ),
        *(("{fax}", "none"), ("{page}", "1"), ("{customer}", "none")),
        *(("{callback}", "none"), ("{call}", "none"), ("{trunk}", "none"), ("{recording}", "none")),
    ):
        path = path.replace(name, value)
    path = path.replace("{digest}", "0" * 64)
    if each.path.endswith("/faxes/documents"):
        path += "?name=x"
    if each.path.endswith("/attachments"):
        path += "?conversation=none&name=x"
    body = _BODIES.get(each.path) if each.body is not None else None
    return each.method, path, body  # type: ignore[return-value]  # values are of all kinds


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_gets_what_the_table_gives_it_and_no_more(api: Served, role: Role) -> None:
    client = await api.token(role)
    for each in ENDPOINTS:
        if each.scopes is None:
            continue
        allowed = not each.scopes or bool(ROLE_SCOPES[role].intersection(each.scopes))
        method, path, body = of(each)
        if each.name == "customers.history" and role == "agent":
            continue  # only while he has this customer: test_customers
        reply = await client.request(method, path, json=body)
        assert reply.status_code < 500, (each.name, reply.text)
        assert reply.status_code != 401, each.name
        if each.name == "me.change_password":
            continue  # for sessions only
        assert (reply.status_code != 403) is allowed, (role, each.name, reply.text)


async def test_without_an_account_nothing_is_told(api: Served) -> None:
    nobody = api.client()
    for each in ENDPOINTS:
        if each.scopes is None:
            continue
        api.web.api.strangers.per_minute = 10_000
        method, path, body = of(each)
        problem(await nobody.request(method, path, json=body), 401)


async def test_an_agent_acts_for_himself_only(api: Served) -> None:
    lee = await api.token("agent")
    assert (await lee.post("/api/v1/agents/lee/sign-in")).json()["state"] == "idle"
    assert (await lee.get("/api/v1/agents/lee/skills")).status_code == 200
    for path in ("kim", "kim/skills"):
        problem(await lee.get(f"/api/v1/agents/{path}"), 403)
    for action in ("sign-in", "sign-out", "ready"):
        problem(await lee.post(f"/api/v1/agents/kim/{action}"), 403)
    problem(await lee.post("/api/v1/agents/kim/pause", json={}), 403)
    problem(await lee.put("/api/v1/agents/lee/skills", json={"skills": {}}), 403)
    assert api.center.state("kim") == "idle"
    # An account without an agent has none of its own.
    root = await api.token("administrator")
    await root.patch("/api/v1/accounts/agent", json={"agent": ""})
    problem(await lee.post("/api/v1/agents/lee/sign-in"), 403)


async def test_a_token_has_its_scopes_alone(api: Served) -> None:
    client = await api.token("administrator", "queues:read", "tokens:write")
    assert (await client.get("/api/v1/queues")).status_code == 200
    problem(await client.get("/api/v1/agents"), 403)
    body = {"label": "x", "scopes": ["queues:read", "accounts:write", "nonsense"]}
    errors = problem(await client.post("/api/v1/me/tokens", json=body), 422)["errors"]
    assert [error["pointer"] for error in errors] == ["/scopes/1", "/scopes/2"]
    body["scopes"] = ["queues:read"]
    made = (await client.post("/api/v1/me/tokens", json=body)).json()
    assert made["secret"].startswith("cic_")
    listed = (await client.get("/api/v1/me/tokens")).text
    assert made["secret"] not in listed
    assert made["token"]["id"] in listed
    new = api.client(headers={"Authorization": f"Bearer {made['secret']}"})
    assert (await new.get("/api/v1/me")).json()["scopes"] == ["queues:read"]
    assert (await client.delete(f"/api/v1/me/tokens/{made['token']['id']}")).status_code == 204
    problem(await new.get("/api/v1/me"), 401)


async def test_a_token_that_expires_makes_none_that_lives_longer(api: Served) -> None:
    root = await api.session("administrator")
    until = (await root.get("/api/v1/me")).json()["expires_at"]
    body = {"label": "x", "scopes": ["tokens:write"], "expires_at": until}
    made = (await root.post("/api/v1/me/tokens", json=body)).json()
    client = api.client(headers={"Authorization": f"Bearer {made['secret']}"})
    for wanted in (None, until + 1000):
        body = {"label": "y", "scopes": ["tokens:write"], "expires_at": wanted}
        reply = await client.post("/api/v1/me/tokens", json=body)
        assert reply.json()["token"]["expires_at"] == until


# -- sessions ------------------------------------------------------------------------------------


async def test_a_session_begins_and_ends(api: Served) -> None:
    client = await api.session("supervisor")
    reply = await client.get("/api/v1/me")
    assert reply.json()["account"]["name"] == "supervisor"
    assert reply.json()["csrf"] == client.headers["X-CSRF-Token"]
    assert len((await client.get("/api/v1/me/sessions")).json()["items"]) == 1
    cookie = client.cookies["cicswitch"]
    assert (await client.delete("/api/v1/session")).status_code == 204
    assert "cicswitch" not in client.cookies
    problem(await api.client(cookies={"cicswitch": cookie}).get("/api/v1/me"), 401)


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(api: Served) -> None:
    body = {"name": "planner", "password": PASSWORD}
    reply = await api.client().post("/api/v1/session", json=body)
    parts = reply.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(parts)
    assert "Secure" not in parts  # it would be lost over HTTP


async def test_wrong_name_wrong_password_and_disabled_are_told_the_same(api: Served) -> None:
    root = await api.token("administrator")
    await root.patch("/api/v1/accounts/quality", json={"disabled": True})
    texts = set()
    for name, password in (("nobody", PASSWORD), ("planner", "wrong"), ("quality", PASSWORD)):
        reply = await api.client().post(
            "/api/v1/session", json={"name": name, "password": password}
        )
        problem(reply, 401)
        texts.add(reply.text)
        assert "set-cookie" not in reply.headers
    assert len(texts) == 1


async def test_guessing_a_password_is_slowed_down(api: Served) -> None:
    guess = {"name": "planner", "password": "wrong"}
    client = api.client()
    for _ in range(5):
        problem(await client.post("/api/v1/session", json=guess), 401)
    reply = await client.post("/api/v1/session", json={**guess, "password": PASSWORD})
    problem(reply, 429)
    assert int(reply.headers["retry-after"]) == 1


async def test_a_session_can_be_ended_from_another_and_by_an_administrator(api: Served) -> None:
    one, two = await api.session("planner"), await api.session("planner")
    sessions = (await two.get("/api/v1/me/sessions")).json()["items"]
    assert len(sessions) == 2
    assert (await two.delete(f"/api/v1/me/sessions/{sessions[0]['id']}")).status_code == 204
    problem(await one.get("/api/v1/me"), 401)
    root = await api.token("administrator")
    (left,) = (await root.get("/api/v1/accounts/planner/sessions")).json()["items"]
    assert (await root.delete(f"/api/v1/accounts/planner/sessions/{left['id']}")).status_code == 204
    problem(await two.get("/api/v1/me"), 401)


async def test_who_changes_his_password_has_to_know_it(api: Served) -> None:
    one, two = await api.session("planner"), await api.session("planner")
    body = {"current": "wrong", "new": "a new password"}
    error = problem(await one.post("/api/v1/me/password", json=body), 422)["errors"][0]
    assert error["pointer"] == "/current"
    body = {"current": PASSWORD, "new": "short"}
    problem(await one.post("/api/v1/me/password", json=body), 422)
    body = {"current": PASSWORD, "new": "a new password"}
    assert (await one.post("/api/v1/me/password", json=body)).status_code == 204
    assert (await one.get("/api/v1/me")).status_code == 200
    problem(await two.get("/api/v1/me"), 401)


# -- other sites ---------------------------------------------------------------------------------


async def test_with_a_cookie_alone_nothing_is_changed(api: Served) -> None:
    root = await api.session("administrator")
    right = root.headers["X-CSRF-Token"]
    for wrong in ("", "x", right[:-1], right.lower()):
        root.headers["X-CSRF-Token"] = wrong
        problem(await root.post("/api/v1/agents/kim/pause", json={}), 403)
        problem(await root.delete("/api/v1/accounts/planner"), 403)
        assert (await root.get("/api/v1/me")).status_code == 200
    assert api.center.state("kim") == "idle"
    root.headers["X-CSRF-Token"] = right
    assert (await root.post("/api/v1/agents/kim/pause", json={})).status_code == 200


async def test_a_page_of_another_site_gets_nothing_done(api: Served) -> None:
    root = await api.session("administrator")
    for origin in ("https://evil.example", "null", api.url.replace("http", "https"), "http://x"):
        headers = {"Origin": origin}
        problem(await root.post("/api/v1/agents/kim/pause", json={}, headers=headers), 403)
        body = {"name": "planner", "password": PASSWORD}
        problem(await api.client().post("/api/v1/session", json=body, headers=headers), 403)
    reply = await root.post("/api/v1/agents/kim/pause", json={}, headers={"Origin": api.url})
    assert reply.status_code == 200


async def test_the_csrf_token_of_another_session_is_none(api: Served) -> None:
    one, two = await api.session("administrator"), await api.session("administrator")
    one.headers["X-CSRF-Token"] = two.headers["X-CSRF-Token"]
    problem(await one.post("/api/v1/agents/kim/pause", json={}), 403)


# -- the first account ---------------------------------------------------------------------------


async def test_the_first_administrator_is_made_with_the_code_once(tmp_path: Path) -> None:
    async with served(tmp_path, people=False) as api:
        client = api.client()
        body = {"code": api.web.set_up_code, "name": "root", "password": PASSWORD}
        problem(await client.post("/api/v1/setup", json={**body, "code": "AAAA-BBBB"}), 404)
        problem(await client.post("/api/v1/setup", json={**body, "password": "short"}), 422)
        reply = await client.post("/api/v1/setup", json=body)
        assert (reply.status_code, reply.json()["role"]) == (201, "administrator")
        problem(await client.post("/api/v1/setup", json={**body, "name": "other"}), 404)
        reply = await client.post("/api/v1/session", json={"name": "root", "password": PASSWORD})
        assert reply.status_code == 201


async def test_run_prints_the_code_that_makes_the_first_account(tmp_path: Path) -> None:
    http = free_port()
    file = configure(tmp_path, free_port(), http)
    async with running(file) as daemon:
        line = await daemon.line("No account yet")
        code = line.partition("with the code ")[2][:19]
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.post(
                f"http://127.0.0.1:{http}/api/v1/setup",
                json={"code": code, "name": "root", "password": PASSWORD},
            )
            assert reply.status_code == 201
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.end() == 0
    async with running(file) as daemon:
        daemon.process.send_signal(signal.SIGTERM)
        await daemon.end()
        assert "No account yet" not in daemon.output


# -- the audit log -------------------------------------------------------------------------------


async def test_every_change_is_in_the_audit_log_without_a_secret(api: Served) -> None:
    root = await api.session("administrator")
    secret = "a password of nobody"
    body = {"name": "new", "role": "agent", "password": secret}
    await root.post("/api/v1/accounts", json=body)
    await root.patch("/api/v1/accounts/new", json={"role": "planner"})
    await root.post("/api/v1/accounts/new/password", json={"password": secret + "2"})
    wanted = {"label": "x", "scopes": ["queues:read"]}
    token = (await root.post("/api/v1/accounts/new/tokens", json=wanted)).json()
    await root.delete(f"/api/v1/accounts/new/tokens/{token['token']['id']}")
    await root.post("/api/v1/agents/kim/pause", json={"code": "meal"})
    await root.put("/api/v1/agents/kim/skills", json={"skills": {"korean": 10}})
    await root.post("/api/v1/configuration/reload")
    await root.delete("/api/v1/accounts/new")
    await root.post("/api/v1/agents/leo/pause", json={})  # refused: nothing has changed
    page = (await root.get("/api/v1/audit?who=administrator")).json()
    entries = page["items"]
    assert [entry["action"] for entry in entries] == [
        *("session.add", "account.add", "account.change", "account.password", "token.add"),
        *("token.revoke", "agent.pause", "agent.skills", "configuration.reload"),
        "account.remove",
    ]
    assert {entry["address"] for entry in entries} == {"127.0.0.1"}
    assert {entry["via"] for entry in entries} == {"session"}
    change = entries[2]
    assert (change["before"], change["after"]) == ({"role": "agent"}, {"role": "planner"})
    pause = entries[6]
    assert (pause["target"], pause["before"]["state"]) == ("kim", "idle")
    assert (pause["after"]["state"], pause["after"]["code"]) == ("paused", "meal")
    assert entries[7]["before"]["skills"] == {"korean": 90}
    everything = (await root.get("/api/v1/audit")).text
    for text in (secret, token["secret"], root.cookies["cicswitch"]):
        assert text not in everything
    assert (await root.get("/api/v1/audit?action=agent.pause")).json()["items"] == [pause]
    first = (await root.get("/api/v1/audit?limit=1&who=administrator")).json()
    rest = await root.get(f"/api/v1/audit?who=administrator&cursor={first['next']}")
    assert rest.json()["items"] == entries[1:]


async def test_a_token_is_named_in_the_audit_log(api: Served) -> None:
    root = await api.token("administrator")
    await root.post("/api/v1/agents/kim/pause", json={})
    (token,) = (await root.get("/api/v1/me/tokens")).json()["items"]
    assert (await api.audit())[-1].via == f"token {token['id']}"


async def test_a_change_that_is_not_in_the_audit_log_is_told(api: Served) -> None:
    root = await api.token("administrator")
    assert (await root.get("/api/v1/me")).status_code == 200
    db = api.directory.file.database.db
    await api.directory.run(db.execute, "PRAGMA query_only = ON")
    reply = await root.post("/api/v1/agents/kim/pause", json={})
    assert "it is done, but the audit log has failed" in problem(reply, 503)["detail"]
    assert api.center.state("kim") == "paused"
    assert "audit" in (await root.get("/health")).json()["degraded"]
    body = {"label": "x", "scopes": ["queues:read"]}
    problem(await root.post("/api/v1/me/tokens", json=body), 503)
    await api.directory.run(db.execute, "PRAGMA query_only = OFF")
    assert (await root.post("/api/v1/agents/kim/ready")).status_code == 200
    assert (await root.get("/health")).status_code == 200
    assert len((await root.get("/api/v1/me/tokens")).json()["items"]) == 1


# -- HTTPS ---------------------------------------------------------------------------------------


def certificate(folder: Path, name: str) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={name}",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
        timeout=20,
    )


TLS = EXTRA + 'certificate = "cert.pem"\nkey = "key.pem"\n'


async def shown(port: int) -> str:
    """The certificate that a listener shows now."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return str(found)


async def test_https_with_a_certificate_that_a_reload_takes_anew(tmp_path: Path) -> None:
    certificate(tmp_path, "first")
    async with served(tmp_path, extra=TLS) as api:
        context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        client = api.client(verify=context)
        body = {"name": "administrator", "password": PASSWORD}
        reply = await client.post("/api/v1/session", json=body)
        assert reply.headers["strict-transport-security"].startswith("max-age=")
        cookie = reply.headers["set-cookie"]
        assert cookie.startswith("__Host-cicswitch=")
        assert "; Secure" in cookie
        assert (await client.get("/api/v1/me")).status_code == 200
        port = api.web.server.port
        first = await shown(port)
        (tmp_path / "key.pem").write_text("nonsense")
        (note,) = api.switch.reload_file()
        assert note.startswith("the certificate is the old one: http.certificate")
        assert await shown(port) == first
        certificate(tmp_path, "second")
        assert api.switch.reload_file() == []
        assert await shown(port) != first


async def test_a_certificate_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    file = configure(tmp_path, free_port(), free_port(), TLS)
    async with asyncio.timeout(20):
        from tests.operation.test_daemon import launch

        daemon = await launch(file)
        assert await daemon.end() == 1
    assert "http.certificate" in daemon.output
    assert "No such file" in daemon.output
    assert "Traceback" not in daemon.output


def test_a_certificate_without_a_key_is_found(tmp_path: Path) -> None:
    for key, other in (("certificate", "key"), ("key", "certificate")):
        file = configure(tmp_path, 1, 2, f'[http]\n{key} = "x.pem"\n')
        with pytest.raises(ConfigError, match=f"no {other}"):
            load(file)


# -- keys of the configuration -------------------------------------------------------------------


async def test_sessions_end_after_session_idle_s_and_session_max_s(tmp_path: Path) -> None:
    extra = EXTRA + "session_idle_s = 100\nsession_max_s = 300\n"
    async with served(tmp_path, extra=extra) as api:
        client = await api.session("planner")
        found = (await client.get("/api/v1/me/sessions")).json()["items"][0]
        assert found["expires_at"] == pytest.approx(found["created_at"] + 300)
        cookie, at = client.cookies["cicswitch"], found["created_at"]
        use = api.directory.by_cookie
        for seconds in (90, 180, 270):
            assert await use(cookie, at + seconds) is not None
        assert await use(cookie, at + 301) is None
        again = await api.session("planner")
        assert await use(again.cookies["cicswitch"], at + 150) is None


async def test_a_reload_changes_limits(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        file = tmp_path / "cicswitch.toml"
        file.write_text(file.read_text().replace("requests_per_minute = 100000", ""))
        assert api.switch.reload_file() == []
        reply = await (await api.token("planner")).get("/api/v1/me")
        assert reply.headers["ratelimit-limit"] == "600"
