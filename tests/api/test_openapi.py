"""The OpenAPI document: whole, with good examples; and the API does what it says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, core, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi import checks

from cicswitch.api import examples
from cicswitch.api.accounts.roles import ROLE_SCOPES, ROLES, SCOPES
from cicswitch.api.endpoint import ENDPOINTS, encode
from cicswitch.api.openapi import document, kinds_without_example
from tests.api.served import served

KINDS = sorted(
    {
        kind
        for each in ENDPOINTS
        for kind in (each.body, each.answer)
        if isinstance(get_origin(kind) or kind, type)
        and issubclass(get_origin(kind) or kind, msgspec.Struct)
    },
    key=str,
)


def test_every_body_and_answer_has_an_example() -> None:
    assert kinds_without_example() == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind).rpartition(".")[2])
def test_an_example_is_what_it_is_an_example_of(kind: Any) -> None:
    example = examples.of(kind)
    assert isinstance(example, get_origin(kind) or kind)
    assert msgspec.json.decode(encode(example), type=kind) == example


def test_the_document_has_every_endpoint_with_its_errors() -> None:
    found = msgspec.json.decode(document())
    assert found["openapi"] == "3.1.0"
    operations = {
        (method.upper(), path): operation
        for path, of in found["paths"].items()
        for method, operation in of.items()
    }
    assert operations.keys() == {(each.method, each.path) for each in ENDPOINTS}
    names = [operation["operationId"] for operation in operations.values()]
    assert len(names) == len(set(names))
    for each in ENDPOINTS:
        operation = operations[each.method, each.path]
        for status, answer in operation["responses"].items():
            kinds = set(answer.get("content", {}))
            if status >= "400":
                assert kinds == {"application/problem+json"}
        if each.scopes:
            assert operation["security"][0]["token"] == list(each.scopes)
        assert operation["summary"].endswith(".")
    assert not unknown_references(found)


def unknown_references(document: dict[str, Any]) -> set[str]:
    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for item in value.values():
                yield from walk(item)
        elif isinstance(value, list):
            for item in value:
                yield from walk(item)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    return set(walk(document)) - known


def test_the_documentation_has_the_table_of_scopes_as_it_is() -> None:
    text = (Path(__file__).parents[2] / "docs/api.md").read_text()
    rows = re.findall(r"^\| `([a-z]+:[a-z]+)` \| (.*) \| (.*) \|$", text, re.MULTILINE)
    expected = [
        (scope, about, ", ".join(role for role in ROLES if scope in ROLE_SCOPES[role]))
        for scope, about in SCOPES.items()
    ]
    assert rows == expected


# -- schemathesis --------------------------------------------------------------------------------

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
_PARTS = 3
"""So that several processes share the operations."""
EXAMPLES = int(os.environ.get("CICSWITCH_EXAMPLES", "5"))
"""Of each operation; more find more, at a second each."""
_NOT_AGAIN = {"sessions.sign_in", "sessions.set_up"}
"""These are slowed down on purpose after some failures."""


_FRAMING = {"content-length", "transfer-encoding"}
"""A request with another length than it has is no request: the server's parser refuses it."""


class _Background:
    """A switch with its API in a loop of its own: schemathesis is not asynchronous."""

    def __init__(self, folder: Path) -> None:
        self.url, self.token = "", ""
        self._folder = folder
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with served(self._folder) as api:
            client = await api.token("administrator")
            self.url, self.token = api.url, client.headers["Authorization"]
            self._ready.set()
            await self._stop.wait()
            self.errors = api.switch.counters["errors"]

    def __enter__(self) -> _Background:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)


@pytest.mark.parametrize("part", range(_PARTS))
def test_whatever_schemathesis_sends_is_answered_as_the_document_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    # It puts a printer in the place of hypothesis's that prints nothing: not for other tests.
    printer = vars(core)["RepresentationPrinter"]
    monkeypatch.setattr("hypothesis.core.RepresentationPrinter", printer)
    with _Background(tmp_path) as background:
        schema = schemathesis.openapi.from_dict(msgspec.json.decode(document()))
        schema.config.update(base_url=background.url)
        tried = 0
        statuses: set[int] = set()
        for number, result in enumerate(schema.get_all_operations()):
            if number % _PARTS != part:
                continue
            operation: Any = result.ok()  # type: ignore[union-attr]  # else it has none, and fails
            name = str(operation.definition.raw["operationId"])
            if name.replace("_", ".", 1) in _NOT_AGAIN:
                continue

            def run(case: schemathesis.Case[Any]) -> None:
                nonlocal tried
                for name in [*(case.headers or ())]:
                    if name.lower() in _FRAMING:
                        del case.headers[name]
                reply = case.call(headers={"Authorization": background.token}, timeout=20)
                tried += 1
                statuses.add(reply.status_code)
                assert reply.status_code < 500, (case.method, case.path, reply.text)
                case.validate_response(reply, checks=CHECKS)

            for mode in schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE:
                with contextlib.suppress(Unsatisfiable):  # nothing in it can be wrong
                    _given(operation, mode, run)()
        assert tried > 100
        assert {200, 404, 422} <= statuses
    assert background.errors == 0


def _given(operation: Any, mode: Any, run: Any) -> Any:
    decorated = given(case=operation.as_strategy(generation_mode=mode))(run)
    return settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )(decorated)
