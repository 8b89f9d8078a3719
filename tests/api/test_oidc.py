"""Signing in at an OpenID provider."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from cicswitch.config import check
from tests.api.served import EXTRA, ROOT, Served, problem, served
from tests.support.oidc import Liar, asked, liar, provider, section

BACK = "http://127.0.0.1/console/"
SECRET = 'client_secret = "of the tests"\n'
ROLES = 'role_claim = "groups"\nroles = { boss = "supervisor", staff = "agent" }\n'


async def begun(client: httpx.AsyncClient) -> tuple[dict[str, str], str]:
    reply = await client.post("/api/v1/oidc/company")
    assert reply.status_code == 200, reply.text
    return asked(reply.json()["url"]), reply.json()["proof"]


async def back(
    client: httpx.AsyncClient, state: str, proof: str, code: str = "c"
) -> httpx.Response:
    body = {"state": state, "code": code, "proof": proof}
    return await client.post("/api/v1/oidc/company/session", json=body)


async def through(api: Served, one: Liar) -> httpx.Response:
    """The whole way, with what the provider says now."""
    client = api.client()
    one.begun, proof = await begun(client)
    return await back(client, one.begun["state"], proof)


async def names(api: Served) -> set[str]:
    return {each.name for each in await api.directory.run(api.directory.file.people.page, "", 99)}


async def test_somebody_signs_in_at_a_provider_that_is_not_ours(tmp_path: Path) -> None:
    kim = {"sub": "42", "preferred_username": "Kim", "name": "Kim Min-ji", "groups": ["boss"]}
    async with (
        provider(kim, {"sub": "43", "preferred_username": "lou", "groups": ["guests"]}) as issuer,
        served(tmp_path, extra=EXTRA + section(issuer, 'label = "ACME"\n' + SECRET + ROLES)) as api,
    ):
        client = api.client()
        listed = (await client.get("/api/v1/oidc")).json()
        assert listed == {"items": [{"name": "company", "label": "ACME"}]}
        problem(await client.post("/api/v1/oidc/another"), 404)
        reply = await client.post("/api/v1/oidc/company")
        url, proof = reply.json()["url"], reply.json()["proof"]
        assert asked(url)["redirect_uri"] == f"{api.url}/console/"
        async with httpx.AsyncClient(trust_env=False) as person:
            page = await person.post(url, data={"sub": "42"})
        where = page.headers["location"]
        assert where.startswith(f"{api.url}/console/?")
        found = asked(where)
        reply = await back(client, found["state"], proof, found["code"])
        assert reply.status_code == 201, reply.text
        assert "SameSite=Strict" in reply.headers["set-cookie"]
        account = reply.json()["account"]
        assert (account["name"], account["role"]) == ("kim", "supervisor")
        assert account["display_name"] == "Kim Min-ji"
        client.headers["X-CSRF-Token"] = reply.json()["csrf"]
        assert (await client.get("/api/v1/agents")).status_code == 200
        assert (await client.delete("/api/v1/session")).status_code == 204
        # The code is good once; so is nobody's password.
        problem(await back(client, found["state"], proof, found["code"]), 401)
        for password in ("", "correct horse battery"):
            body = {"name": "kim", "password": password}
            problem(await client.post("/api/v1/session", json=body), 401)
        entries = [(e.who, e.via, e.action) for e in await api.audit() if e.who == "kim"]
        assert ("kim", "oidc company", "account.add") in entries
        # Who has none of the roles does not get in.
        url = (reply := await client.post("/api/v1/oidc/company")).json()["url"]
        async with httpx.AsyncClient(trust_env=False) as person:
            found = asked((await person.post(url, data={"sub": "43"})).headers["location"])
        told = problem(
            await back(client, found["state"], reply.json()["proof"], found["code"]), 401
        )
        assert "groups" in told["detail"]
        assert "lou" not in await names(api)


async def test_nothing_that_is_not_right_signs_anybody_in(tmp_path: Path) -> None:
    now = int(time.time())
    async with (
        liar() as one,
        served(tmp_path, extra=EXTRA + section(one.issuer, 'new_role = "agent"')) as api,
    ):
        assert (await through(api, one)).status_code == 201  # as it should be
        wrong: dict[str, Any] = {
            "iss": ["http://127.0.0.1:1", None, 7],
            "aud": ["another", [], None, ["cicswitch", "another"]],
            "azp": ["another"],
            "exp": [now - 3600, None, "soon", True],
            "iat": [now - 3600, now + 3600, None],
            "nbf": [now + 3600],
            "nonce": ["another", "", None, 7],
            "sub": ["", None, 42],
            "preferred_username": [None, "", 7, "../../etc", "a" * 65, ["kim"]],
        }
        for claim, values in wrong.items():
            for value in values:
                one.claims = {claim: value}
                assert "detail" in problem(await through(api, one), 401), (claim, value)
        one.claims = {}
        for kind in ("none", "HS256", "forged"):
            one.kind = kind
            told = problem(await through(api, one), 401)
            assert "signature" in told["detail"], kind
        one.kind = "RS256"
        one.claims = {"aud": ["cicswitch", "another"], "azp": "cicswitch"}
        assert (await through(api, one)).status_code == 201
        one.claims = {}
        # A sign-in of somebody else's, or one that was never begun.
        client = api.client()
        one.begun, proof = await begun(client)
        _, other = await begun(client)
        for wrong_proof in (other, "", "x", f"{now + 99:x}.{proof.partition('.')[2]}", "f" * 5000):
            problem(await back(client, one.begun["state"], wrong_proof), 401)
        problem(await back(client, "another", proof), 401)
        problem(await back(client, one.begun["state"], proof, ""), 401)
        problem(await back(client, one.begun["state"], proof, "c" * 5000), 401)
        assert (await back(client, one.begun["state"], proof)).status_code == 201
        assert "set-cookie" not in (await back(client, "another", proof)).headers
        # What the provider says of its own troubles is told on one line.
        one.answer = (400, b'{"error": "invalid_grant", "error_description": "gone\\nGET /"}')
        assert problem(await through(api, one), 401)["detail"].endswith("invalid_grant gone GET /")
        for status, body in (
            (500, b"<html>"),
            (200, b"[]"),
            (200, b"\xff"),
            (200, b"x" * (2 << 20)),
        ):
            one.answer = (status, body)
            problem(await through(api, one), 503)
        one.answer = None
        assert await names(api) == {*("agent", "supervisor", "quality"), *("planner", "kim")} | {
            "administrator"
        }


async def test_what_a_provider_is_asked_and_how_far_it_is_believed(tmp_path: Path) -> None:
    keys = """client_secret = "s&cret:1"
name_claim = "email"
agent_claim = "extension"
scopes = ["openid", "email"]
redirect = "https://center.example.com/console/"
timeout_s = 1
"""
    async with (
        liar() as one,
        served(tmp_path, extra=EXTRA + section(one.issuer, keys + ROLES)) as api,
    ):
        one.more = {"email": "Kim@Example.com", "email_verified": True, "extension": "lee"}
        one.claims = {"groups": "staff"}
        reply = await through(api, one)
        assert reply.status_code == 201, reply.text
        account = reply.json()["account"]
        assert (account["name"], account["agent"]) == ("kim@example.com", "lee")
        assert one.begun["scope"] == "openid email"
        assert one.begun["tenant"] == "1"
        form, basic = one.requests[-1]
        assert form["redirect_uri"] == one.begun["redirect_uri"]
        assert form["redirect_uri"] == "https://center.example.com/console/"
        assert base64.b64decode(basic.removeprefix("Basic ")) == b"cicswitch:s%26cret%3A1"
        # The role is the provider's at each sign-in; an address that it has not verified is nobody.
        one.claims = {"groups": ["boss", "staff"]}
        assert (await through(api, one)).json()["account"]["role"] == "supervisor"
        one.more = {"email": "kim@example.com", "email_verified": "yes"}
        problem(await through(api, one), 401)
        one.more = {"email": "kim@example.com", "email_verified": True, "sub": "43"}
        assert "sub" in problem(await through(api, one), 401)["detail"]
        one.more = {"email": "kim@example.com", "email_verified": True}
        people = api.directory.file.people
        disabled = {"disabled": True}
        await api.directory.run(people.change, ROOT, 1.0, "kim@example.com", disabled)
        problem(await through(api, one), 401)
        # The last administrator stays one.
        one.more["email"] = "administrator"
        assert "administrator" in problem(await through(api, one), 409)["detail"]


async def test_only_who_has_an_account_gets_in_without_a_role_for_others(tmp_path: Path) -> None:
    async with liar() as one, served(tmp_path, extra=EXTRA + section(one.issuer)) as api:
        problem(await through(api, one), 401)
        one.claims = {"preferred_username": "planner"}
        reply = await through(api, one)
        assert reply.json()["account"]["role"] == "planner"


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example.com"},
        {"token_endpoint": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 7},
    ],
)
async def test_a_provider_that_is_another_is_not_asked(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    async with liar() as one, served(tmp_path, extra=EXTRA + section(one.issuer)) as api:
        one.document = document
        problem(await api.client().post("/api/v1/oidc/company"), 503)


async def test_a_provider_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    async with served(tmp_path, extra=EXTRA + section("http://127.0.0.1:9")) as api:
        told = problem(await api.client().post("/api/v1/oidc/company"), 503)
        assert "127.0.0.1:9" in told["detail"]
    text = section("https://127.0.0.1:9", 'ca_file = "missing.pem"')
    (tmp_path / "b").mkdir()
    async with served(tmp_path / "b", extra=EXTRA + text) as api:
        problem(await api.client().post("/api/v1/oidc/company"), 503)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('issuer = "http://login.example.com"\nclient_id = "c"', "https and a host"),
        ('issuer = "https://x"\nclient_id = "c"\nscopes = ["email"]', '"openid"'),
        ('issuer = "https://x"\nclient_id = "c"\nrole_claim = "groups"', "roles"),
        ('issuer = "https://x"\nclient_id = "c"\nroles = { a = "king" }', "agent"),
        ('issuer = "https://x"\nclient_id = "c"\nredirect = "ftp://x/"', "https and a host"),
        ('issuer = "https://x"', "client_id"),
    ],
)
def test_mistakes_are_told_at_their_line(tmp_path: Path, lines: str, words: str) -> None:
    path = tmp_path / "cicswitch.toml"
    path.write_text(f"dialplans = []\n[oidc.company]\n{lines}\n")
    found = [str(each) for each in check(path)]
    assert len(found) == 1
    assert words in found[0]
    assert "oidc.company" in found[0]
