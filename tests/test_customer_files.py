"""Files of customers: what is taken of them, and each mistake with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cicswitch.cli.customers import _pieces, _read
from cicswitch.core.errors import CommandError
from cicswitch.core.toml import Finding


def read(folder: Path, name: str, text: str) -> tuple[list[tuple[int, Any]], list[Finding]]:
    (folder / name).write_text(text)
    found = [*_read(folder / name)]
    return (
        [each for each in found if not isinstance(each[1], Finding)],
        [each for _, each in found if isinstance(each, Finding)],
    )


def test_rows_of_a_csv_file_are_customers(tmp_path: Path) -> None:
    items, findings = read(
        tmp_path,
        "a.csv",
        "\ufeffname, segment,number,chat,plan\nKim,gold,1;2 ,line/U1,a\n\n,,3,,\n",
    )
    assert findings == []
    addresses = ["number:1", "number:2", "chat:line/U1"]
    assert items == [
        (2, {"name": "Kim", "segment": "gold", "addresses": addresses, "fields": {"plan": "a"}}),
        (4, {"addresses": ["number:3"], "fields": {}}),
    ]


@pytest.mark.parametrize("head", ["", "name,plan", "number,number", "number,,id"])
def test_a_csv_file_without_a_head_is_refused_as_a_whole(tmp_path: Path, head: str) -> None:
    with pytest.raises(CommandError, match=r"a.csv:1: found .*a first line that names columns"):
        read(tmp_path, "a.csv", f"{head}\nx,y,z\n")


@pytest.mark.parametrize(
    ("text", "taken", "wrong"),
    [
        ('[{"name":"a","addresses":["id:1"]},\n {"addresses":[{"kind":"id","value":"2"}]}]', 2, []),
        ('[\n\n{"nme":"a"},\n{"addresses":[]}]', 1, [(3, "nme")]),
        ('[1,\n{"name":1},\n{"fields":[]},\n{"addresses":[1]},{}]', 1, [
            *((1, ""), (2, "name"), (3, "fields"), (4, "addresses")),
        ]),
        ('[{},\n{"name":\n}', 1, [(3, "")]),
        ("[{}\n{}]", 1, [(2, "")]),
        ("[{},", 1, [(1, "")]),
        ("[" + "[" * 100_000, 0, [(1, "")]),
    ],
)  # fmt: skip
def test_mistakes_in_json_are_found_with_their_lines(
    tmp_path: Path, text: str, taken: int, wrong: list[tuple[int, str]]
) -> None:
    items, findings = read(tmp_path, "a.json", text)
    assert len(items) == taken
    assert [(each.line, each.key) for each in findings] == wrong


@pytest.mark.parametrize("text", ["", "{}", "null"])
def test_a_json_file_that_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CommandError, match=r"a.json:1: found .* expected a list"):
        read(tmp_path, "a.json", text)


def test_a_long_list_goes_in_pieces_that_the_switch_takes(tmp_path: Path) -> None:
    items: list[tuple[int, Any]] = [(number, {"name": "x" * 3000}) for number in range(500)]
    items.append((500, {"name": "x" * 500_000}))
    findings: list[Finding] = []
    pieces = [*_pieces(tmp_path, items, findings)]
    assert [line for lines, _ in pieces for line in lines] == [*range(500)]
    assert max(len(piece) for _, piece in pieces) < 150
    assert [each.line for each in findings] == [500]
