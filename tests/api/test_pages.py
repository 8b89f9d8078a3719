"""The console's files: what is served, and that it is what the sources give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cicswitch.api.pages import Pages
from cicswitch.console.build import HERE, digest
from tests.api.served import served

SOURCES = Path(__file__).parents[2] / "cicswitch" / "console"


async def test_the_console_is_served_with_a_policy_that_lets_nothing_else_in(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, people=False) as api:
        client = api.client()
        reply = await client.get("/")
        assert (reply.status_code, reply.headers["location"]) == (307, "/console/")
        page = await client.get("/console/")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        found = re.findall(r'(?:src|href)="(/console/[^"]+)"', page.text)
        assert any(name.endswith(".js") for name in found)
        for name in found:
            part = await client.get(name)
            assert part.status_code == 200
            if "/assets/" in name:
                assert "immutable" in part.headers["cache-control"]
                assert part.headers["content-encoding"] == "gzip"
                plain = await client.get(name, headers={"Accept-Encoding": "identity"})
                assert plain.content == part.content
                assert "content-encoding" not in plain.headers


async def test_what_a_browser_has_is_not_sent_again(tmp_path: Path) -> None:
    async with served(tmp_path, people=False) as api:
        client = api.client()
        tag = (await client.get("/console/")).headers["etag"]
        again = await client.get("/console/", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        head = await client.head("/console/")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 100


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/console/nothing", 404),
        ("GET", "/console/../../etc/passwd", 404),
        ("GET", "/console/%2e%2e/__init__.py", 404),
        ("GET", "/console/SOURCES", 404),
        ("POST", "/console/", 405),
        ("GET", "/consoles", 404),
    ],
)
async def test_nothing_else_is_served(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with served(tmp_path, people=False) as api:
        assert (await api.client().request(method, path)).status_code == status


async def test_a_console_that_was_not_built_says_so(tmp_path: Path) -> None:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/console/", "method": "GET", "headers": [], "scheme": "http"}
    await Pages(tmp_path / "none")(scope, None, send)  # type: ignore[arg-type]  # what it needs
    assert sent[0]["status"] == 404
    assert b"not built" in sent[1]["body"]  # type: ignore[operator]  # bytes


@pytest.mark.skipif(HERE != SOURCES, reason="what is installed has no sources of the console")
def test_the_console_is_built_of_its_sources() -> None:
    assert (HERE / "dist" / "SOURCES").read_text().strip() == digest(), "run `make console`"


@pytest.mark.skipif(HERE != SOURCES, reason="what is installed has no sources of the console")
def test_both_languages_have_the_same_words_with_the_same_values() -> None:
    words = {}
    for language in ("en", "ko"):
        text = (HERE / "src" / "words" / f"{language}.ts").read_text()
        pairs = re.findall(r'^  "?([\w-]+)"?:\s*"((?:[^"\\]|\\.)*)"', text, re.MULTILINE)
        words[language] = {key: sorted(re.findall(r"{(\w+)}", value)) for key, value in pairs}
    assert len(words["en"]) > 150
    assert words["en"] == words["ko"]
    files = [file for file in (HERE / "src").rglob("*.ts*") if file.parent.name != "words"]
    pages = "".join(file.read_text() for file in files)
    # Of what the API says.
    made = ("state_", "role_", "severity_", "figure_", "source_", "medium_", "cause_", "kind_")
    assert [k for k in words["en"] if f'"{k}"' not in pages and not k.startswith(made)] == []


def test_nothing_of_another_host_is_asked_for() -> None:
    files = [file for file in (HERE / "dist").rglob("*") if file.is_file()]
    assert len(files) >= 4
    for file in files:
        assert not re.search(r'(?:src|href|url\()="?https?://', file.read_text()), file
