"""Commands about customers: list, show, and take over a list of them."""

from __future__ import annotations

import csv
import json as text_json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cicswitch.cli.base import ConfigOption, JsonOption, app, ask, print_json, table
from cicswitch.core.errors import CommandError
from cicswitch.core.toml import Finding
from cicswitch.people import KINDS

customers_app = typer.Typer(no_args_is_help=True, help="Who customers are; take over a list.")
app.add_typer(customers_app, name="customers")

_AT_ONCE: Final = 200
_LARGEST: Final = 400_000
"""Bytes of a piece of a list, at most: the switch takes a megabyte."""
_MOST_BYTES: Final = 512 << 20
_OWN: Final = ("name", "language", "segment")
Item = dict[str, Any]
Read = tuple[int, Item | Finding]
"""A line of the file, and what stands there."""


@customers_app.command("list")
def list_customers(
    text: Annotated[str, typer.Argument(help="A part of a name, an address or a field.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most.")] = 100,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Customers by name, or those with a text in what is known of them.

    Example: cicswitch customers list park
    """
    found = ask(config, do="customers", q=text, limit=limit, within_s=30.0)
    if json:
        print_json(found)
    elif not found:
        print("nobody is known" if not text else f'nobody has "{text}" in what is known of him')
    else:
        columns = ("customer", "name", "segment", "language", "addresses")
        table(columns, ((*(each[key] for key in columns[:4]), _shown(each)) for each in found))


@customers_app.command()
def show(
    customer: Annotated[str, typer.Argument(help="His key, or one of his addresses.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """All that is known of a customer.

    Example: cicswitch customers show +821012345678
    """
    found = ask(config, do="customer", customer=customer)
    if json:
        print_json(found)
        return
    print(f"{found['customer']}  {found['name']}")
    for key in ("language", "segment"):
        if found[key]:
            print(f"  {key}: {found[key]}")
    for each in found["addresses"]:
        print(f"  {each['kind']}: {each['value']}")
    for key, value in found["fields"].items():
        print(f"  {key} = {value}")


@customers_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV file with a head, or JSON as `list` writes.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look what is wrong, and write nothing.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Take over a list of customers: who is known by an address is changed, others are new.

    Columns: name, language, segment, number, email, chat (CHANNEL/ID), id; any other is a field of
    the customer. Several addresses in a cell stand with ; between them. A row with a mistake is
    told and left out; the others are taken.

    Example: cicswitch customers import customers.csv --dry-run
    """
    read = [*_read(file)]
    counts = {"made": 0, "changed": 0, "unchanged": 0}
    findings = [each for _, each in read if isinstance(each, Finding)]
    items = [(line, each) for line, each in read if not isinstance(each, Finding)]
    for lines, piece in _told(_pieces(file, items, findings), len(items), json):
        reply = ask(config, do="import", items=piece, dry_run=dry_run, within_s=30.0)
        for key in counts:
            counts[key] += reply[key]
        findings += [
            Finding(str(file), lines[each["item"]], each["key"], each["found"], each["expected"])
            for each in reply["findings"]
        ]
    findings.sort(key=lambda each: each.line)
    if json:
        print_json({**counts, "dry_run": dry_run, "findings": [_plain(each) for each in findings]})
    else:
        for each in findings:
            print(each)
        would = "would be " if dry_run else ""
        print(
            f"{counts['made']} {would}new, {counts['changed']} {would}changed,"
            f" {counts['unchanged']} as they were, {len(findings)} findings"
        )
    if findings:
        raise typer.Exit(1)


def _told(
    pieces: Iterator[tuple[list[int], list[Item]]], total: int, quiet: bool
) -> Iterator[tuple[list[int], list[Item]]]:
    """The pieces, with a bar that shows how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    shown = Console(stderr=True)
    hidden = quiet or not shown.is_terminal
    with Progress(*columns, transient=True, disable=hidden, console=shown) as progress:
        bar = progress.add_task("customers", total=total)
        for lines, piece in pieces:
            yield lines, piece
            progress.advance(bar, len(piece))


def _pieces(
    file: Path, items: list[tuple[int, Item]], findings: list[Finding]
) -> Iterator[tuple[list[int], list[Item]]]:
    """Pieces that the switch takes at once, with the lines of what is in them."""
    lines: list[int] = []
    piece: list[Item] = []
    size = 0
    for line, item in items:
        own = len(text_json.dumps(item))
        if own > _LARGEST:
            wanted = f"at most {_LARGEST} bytes"
            findings.append(Finding(str(file), line, "", f"{own} bytes", wanted))
            continue
        if piece and (len(piece) >= _AT_ONCE or size + own > _LARGEST):
            yield lines, piece
            lines, piece, size = [], [], 0
        lines.append(line)
        piece.append(item)
        size += own
    if piece:
        yield lines, piece


def _shown(found: Item) -> str:
    return ", ".join(each["value"] for each in found["addresses"])


def _plain(each: Finding) -> dict[str, Any]:
    names = ("file", "line", "key", "found", "expected")
    return {name: getattr(each, name) for name in names}


# -- files -----------------------------------------------------------------------------------------


def _read(file: Path) -> Iterator[Read]:
    """What stands in a file. Raises `CommandError` for one of which nothing can be taken."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise CommandError(f"{file}: more than {_MOST_BYTES >> 20} MiB: split it")
        if file.suffix.lower() == ".json":
            yield from _of_json(file, file.read_text("utf-8-sig"))
        else:
            yield from _of_csv(file)
    except UnicodeDecodeError as error:
        raise CommandError(f"{file}: byte {error.start} is no UTF-8") from None
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror or error}") from None


def _of_csv(file: Path) -> Iterator[Read]:
    # What is no UTF-8 is a mistake of its row, and of no other.
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        rows = csv.reader(text)
        head = [cell.strip() for cell in next(rows, [])]
        if not set(head) & set(KINDS) or len(set(head)) < len(head) or "" in head:
            wanted = f"a first line that names columns, each once, one of them {', '.join(KINDS)}"
            raise CommandError(str(Finding(str(file), 1, "", ",".join(head)[:80], wanted)))
        try:
            for row in rows:
                line = rows.line_num
                if any(cell.strip() for cell in row):
                    yield line, _of_row(file, line, head, row)
        except csv.Error as error:
            yield rows.line_num, Finding(str(file), rows.line_num, "", str(error), "CSV")


def _of_row(file: Path, line: int, head: list[str], row: list[str]) -> Item | Finding:
    if len(row) != len(head):
        return Finding(str(file), line, "", f"{len(row)} columns", f"{len(head)}")
    item: Item = {"fields": {}, "addresses": []}
    for key, cell in zip(head, row, strict=True):
        value = cell.strip()
        if not value.isascii() and any("\udc80" <= each <= "\udcff" for each in value):
            shown = value.encode("utf-8", "replace").decode()
            return Finding(str(file), line, key, shown[:80], "UTF-8 text")
        if not value:
            continue
        if key in KINDS:
            parts = value.split(";") if key != "id" else [value]
            item["addresses"] += [f"{key}:{each.strip()}" for each in parts if each.strip()]
        elif key in _OWN:
            item[key] = value
        else:
            item["fields"][key] = value
    return item


def _of_json(file: Path, text: str) -> Iterator[Read]:
    """The items of an array, each with its line."""
    decoder = text_json.JSONDecoder()
    at, line = _behind(text, 0), 1
    if text[at : at + 1] != "[":
        raise CommandError(str(Finding(str(file), 1, "", text[at : at + 40], "a list: [{…}, …]")))
    at, seen = _behind(text, at + 1), 0
    while text[at : at + 1] != "]":
        line, seen = line + text.count("\n", seen, at), at
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            found = getattr(error, "msg", "too deep")
            line += text.count("\n", seen, getattr(error, "pos", seen))
            yield line, Finding(str(file), line, "", found, "JSON; nothing behind it was read")
            return
        yield line, _of_value(file, line, value)
        at = _behind(text, at)
        if text[at : at + 1] == ",":
            at = _behind(text, at + 1)
        elif text[at : at + 1] != "]":
            line += text.count("\n", seen, at)
            wanted = ", or ]; nothing behind it was read"
            yield line, Finding(str(file), line, "", text[at : at + 20] or "the end", wanted)
            return


def _behind(text: str, at: int) -> int:
    """The place of the next sign that is no space."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _of_value(file: Path, line: int, value: Any) -> Item | Finding:
    def bad(key: str, found: object, expected: str) -> Finding:
        return Finding(str(file), line, key, text_json.dumps(found)[:80], expected)

    if not isinstance(value, dict):
        return bad("", value, "an object")
    item: Item = {}
    for key in _OWN:
        if not isinstance(value.get(key, ""), str):
            return bad(key, value[key], "a text")
        item[key] = value.get(key, "")
    fields, addresses = value.get("fields", {}), value.get("addresses", [])
    if not isinstance(fields, dict) or not all(isinstance(each, str) for each in fields.values()):
        return bad("fields", fields, "an object of texts")
    if not isinstance(addresses, list):
        return bad("addresses", addresses, 'a list of {"kind": …, "value": …}')
    item["fields"], item["addresses"] = fields, []
    for each in addresses:
        if isinstance(each, dict) and isinstance(each.get("value"), str):
            item["addresses"].append(f"{each.get('kind', '')}:{each['value']}")
        elif isinstance(each, str):
            item["addresses"].append(each)
        else:
            return bad("addresses", each, '{"kind": …, "value": …}')
    unknown = value.keys() - {*_OWN, "fields", "addresses", "customer", "created_at", "updated_at"}
    if unknown:
        key = min(unknown)
        return bad(key, value[key], "no such key: what is your own stands in `fields`")
    return item
