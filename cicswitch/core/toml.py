"""TOML with line numbers, decoded into msgspec Structs with every mistake reported.

`tomllib` checks and reads the text; `_Locator` then walks the same text to learn the line of every
key, which `tomllib` does not tell. `Decoder` walks data and types together and collects a `Finding`
for each mistake instead of stopping at the first.

A finding reads `FILE:LINE: KEY: found X, expected Y` with a near miss where there is one.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect as mi

from cicswitch.core.errors import ConfigError

__all__ = ["Decoder", "Document", "Finding", "KeyPath", "Secret", "near_miss"]

T = TypeVar("T")
KeyPath = tuple[str | int, ...]


class Finding(msgspec.Struct, frozen=True, order=True):
    """One mistake of a user in one place. `str()` of it is the line that people read."""

    file: str
    line: int
    key: str
    found: str
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}: {key}found {self.found}, expected {self.expected}{hint}"


_SECRET_WANTED = 'text, "env:NAME" or "file:PATH"'


class Secret:
    """A value that no log, repr or error shows; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"


def near_miss(found: str, known: Iterable[str]) -> str:
    """`did you mean "x"?` or an empty text."""
    close = get_close_matches(found, list(known), 1, 0.6)
    return f'did you mean "{close[0]}"?' if close else ""


class Document:
    """One TOML text: its `data` as `tomllib` gives it, and the line of every key path."""

    __slots__ = ("_lines", "data", "file")

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError([_syntax_finding(file, error)]) from None
        except RecursionError:
            nested = Finding(file, 1, "", "values nested too deeply", "at most some hundred levels")
            raise ConfigError([nested]) from None
        self._lines = _Locator(text).lines

    @classmethod
    def read(cls, path: Path) -> Document:
        """The document in a file; raises `ConfigError` where it cannot be read."""
        try:
            return cls(path.read_text("utf-8"), str(path))
        except OSError as error:
            problem = Finding(str(path), 1, "", error.strerror or str(error), "a readable file")
        except UnicodeDecodeError as error:
            problem = Finding(str(path), 1, "", f"byte {error.start} outside UTF-8", "UTF-8 text")
        raise ConfigError([problem])

    def line(self, path: KeyPath) -> int:
        """The line of a key, or that of its nearest table that the text names."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 1

    def finding(self, path: KeyPath, found: str, expected: str, hint: str = "") -> Finding:
        """A finding at a key of this document."""
        return Finding(self.file, self.line(path), dotted(path), found, expected, hint)


def dotted(path: KeyPath) -> str:
    """`("queue", "a", "skills", 0)` as `queue.a.skills[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def _syntax_finding(file: str, error: tomllib.TOMLDecodeError) -> Finding:
    message, line = str(error), 1
    head, marker, tail = message.rpartition(" (at line ")
    if marker:
        message, line = head, int(tail.split(",")[0])
    return Finding(file, line, "", f"TOML that does not parse: {message}", "valid TOML 1.0")


class _Locator:
    """The line of each key path of a text that `tomllib` has found valid."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self.lines: dict[KeyPath, int] = {}
        self._arrays: dict[KeyPath, int] = {}
        table: KeyPath = ()
        while self._skip_blank():
            if text.startswith("[[", self._at):
                self._at += 2
                table = self._header(array=True)
                self._at += 2
            elif text[self._at] == "[":
                self._at += 1
                table = self._header(array=False)
                self._at += 1
            else:
                self._assignment(table)

    def _skip_blank(self, extra: str = "") -> bool:
        text = self._text
        while self._at < len(text):
            char = text[self._at]
            if char == "\n":
                self._line += 1
            elif char == "#":
                while self._at < len(text) and text[self._at] != "\n":
                    self._at += 1
                continue
            elif char not in " \t\r" and char not in extra:
                return True
            self._at += 1
        return False

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        text = self._text
        while True:
            while text[self._at] in " \t":
                self._at += 1
            if text[self._at] in "\"'":
                start = self._at
                self._string()
                parts.append(next(iter(tomllib.loads(f"{text[start : self._at]} = 0"))))
            else:
                start = self._at
                while text[self._at].isalnum() or text[self._at] in "-_":
                    self._at += 1
                parts.append(text[start : self._at])
            while text[self._at] in " \t":
                self._at += 1
            if text[self._at] != ".":
                return tuple(parts)
            self._at += 1

    def _header(self, *, array: bool) -> KeyPath:
        path: KeyPath = ()
        keys = self._key()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self._arrays:
                path = (*path, self._arrays[path])
            self.lines.setdefault(path, self._line)  # the first that names a table says where it is
        path = (*path, keys[-1])
        if array:
            self._arrays[path] = self._arrays.get(path, -1) + 1
            self.lines.setdefault(path, self._line)
            path = (*path, self._arrays[path])
        self.lines[path] = self._line
        return path

    def _assignment(self, table: KeyPath) -> None:
        line = self._line
        path = (*table, *self._key())
        for depth in range(len(table) + 1, len(path) + 1):
            self.lines.setdefault(path[:depth], line)
        self._at += 1  # the equals sign
        self._skip_blank()
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        text = self._text
        if text[self._at] in "\"'":
            self._string()
        elif text[self._at] == "[":
            self._at += 1
            index = 0
            while self._skip_blank(",") and text[self._at] != "]":
                self.lines[(*path, index)] = self._line
                self._value((*path, index))
                index += 1
            self._at += 1
        elif text[self._at] == "{":
            self._at += 1
            while self._skip_blank(",") and text[self._at] != "}":
                self._assignment(path)
            self._at += 1
        else:
            while self._at < len(text) and text[self._at] not in ",]}\n#":
                self._at += 1

    def _string(self) -> None:
        text = self._text
        quote = text[self._at]
        fence = quote * 3 if text.startswith(quote * 3, self._at) else quote
        self._at += len(fence)
        while not text.startswith(fence, self._at):
            if text[self._at] == "\n":
                self._line += 1
            self._at += 2 if text[self._at] == "\\" and quote == '"' else 1
            # An escaped line end still ends a line.
            if text[self._at - 1] == "\n" and text[self._at - 2] == "\\" and quote == '"':
                self._line += 1
        self._at += len(fence)
        while len(fence) == 3 and text.startswith(quote, self._at):
            self._at += 1  # up to two quotes may stand before the closing fence


_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}…"'
    return str(value)


class Decoder:
    """Decodes parts of a document, collecting `findings`; a mistake leaves the default in place.

    Fields of type `Secret` take a text as it is, `env:NAME`, or `file:PATH` (relative to the
    document; the text without surrounding blanks).
    """

    def __init__(self, document: Document, environ: Mapping[str, str] = os.environ) -> None:
        self.document = document
        self.findings: list[Finding] = []
        self._environ = environ

    def add(self, path: KeyPath, found: str, expected: str, hint: str = "") -> None:
        """Report a mistake that only the caller can see."""
        self.findings.append(self.document.finding(path, found, expected, hint))

    def unknown(self, path: KeyPath, what: str, name: str, known: Iterable[str]) -> None:
        """Report a name that refers to nothing, with the near miss or all that is known."""
        names = sorted(known)
        listed = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
        self.add(path, f'"{name}"', f"{what} ({listed or 'there is none'})", near_miss(name, names))

    def decode(self, kind: type[T], data: object, path: KeyPath = ()) -> T | None:
        """`data` as a value of `kind`, or None where it cannot be one; findings say why."""
        value = self._convert(mi.type_info(kind), data, path)
        return None if value is _BAD else value  # type: ignore[return-value]  # _convert gives kind

    def _convert(self, info: mi.Type, data: object, path: KeyPath) -> object:
        match info:
            case mi.StructType():
                return self._struct(info, data, path)
            case mi.UnionType():
                return self._union(info, data, path)
            case mi.LiteralType():
                if data in info.values and not isinstance(data, bool):
                    return data
                allowed = [str(value) for value in info.values]
                quoted = ", ".join(f'"{value}"' for value in allowed)
                self.add(path, _shown(data), f"one of {quoted}", near_miss(str(data), allowed))
                return _BAD
            case mi.DictType():
                if not isinstance(data, dict):
                    return self._wrong(data, "a table", path)
                items = {
                    key: self._convert(info.value_type, item, (*path, key))
                    for key, item in data.items()
                }
                return {key: item for key, item in items.items() if item is not _BAD}
            case mi.ListType() | mi.VarTupleType():
                if not isinstance(data, list):
                    return self._wrong(data, "a list", path)
                values = [
                    self._convert(info.item_type, item, (*path, index))
                    for index, item in enumerate(data)
                ]
                good = [value for value in values if value is not _BAD]
                return tuple(good) if isinstance(info, mi.VarTupleType) else good
            case mi.CustomType() if info.cls is Secret:
                return self._secret(data, path)
            case mi.AnyType():
                return data
        return self._scalar(info, data, path)

    def _wrong(self, data: object, expected: str, path: KeyPath) -> object:
        self.add(path, _shown(data), expected)
        return _BAD

    def _struct(self, info: mi.StructType, data: object, path: KeyPath) -> object:
        if not isinstance(data, dict):
            return self._wrong(data, "a table", path)
        fields = {field.encode_name: field for field in info.fields}
        given: dict[str, object] = {}
        complete = True
        for key, item in data.items():
            field = fields.get(key)
            if field is None:
                hint = near_miss(key, fields) or f"known here: {', '.join(sorted(fields))}"
                self.add((*path, key), f'unknown key "{key}"', "a key that is known here", hint)
                continue
            value = self._convert(field.type, item, (*path, key))
            if value is not _BAD:
                given[field.name] = value
            elif field.required:
                complete = False
        for key, field in fields.items():
            if field.required and key not in data:
                self.add(path, f'no key "{key}"', f"{key} = {_wanted(field.type)}")
                complete = False
        return info.cls(**given) if complete else _BAD

    def _union(self, info: mi.UnionType, data: object, path: KeyPath) -> object:
        for option in info.types:
            if _fits(option, data):
                return self._convert(option, data, path)
        return self._wrong(data, _wanted(info), path)

    def _secret(self, data: object, path: KeyPath) -> object:
        if not isinstance(data, str):
            # The value itself stays out of the finding: it may be the secret without its quotes.
            self.add(path, f"a value of type {type(data).__name__}", _SECRET_WANTED)
            return _BAD
        kind, colon, rest = data.partition(":")
        if colon and kind == "env":
            if rest in self._environ:
                return Secret(self._environ[rest])
            return self._wrong(data, f"the environment variable {rest} to be set", path)
        if colon and kind == "file":
            try:
                return Secret((Path(self.document.file).parent / rest).read_text("utf-8").strip())
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
                return self._wrong(data, f"a readable file ({reason})", path)
        return Secret(data)

    def _scalar(self, info: mi.Type, data: object, path: KeyPath) -> object:
        if isinstance(info, mi.FloatType) and isinstance(data, int) and not isinstance(data, bool):
            data = float(data)
        if not _fits(info, data):
            return self._wrong(data, _wanted(info), path)
        if isinstance(info, mi.IntType | mi.FloatType):
            number: float = data  # type: ignore[assignment]  # _fits has checked it
            if (
                (info.ge is not None and number < info.ge)
                or (info.le is not None and number > info.le)
                or (info.gt is not None and number <= info.gt)
                or number != number
            ):
                return self._wrong(data, _wanted(info), path)
        if isinstance(info, mi.StrType):
            text: str = data  # type: ignore[assignment]  # _fits has checked it
            if info.min_length is not None and len(text) < info.min_length:
                return self._wrong(data, "text that is not empty", path)
        return data


_BAD = object()


def _fits(info: mi.Type, data: object) -> bool:
    match info:
        case mi.BoolType():
            return isinstance(data, bool)
        case mi.IntType():
            return isinstance(data, int) and not isinstance(data, bool)
        case mi.FloatType():
            return isinstance(data, int | float) and not isinstance(data, bool)
        case mi.StrType():
            return isinstance(data, str)
        case mi.ListType() | mi.VarTupleType():
            return isinstance(data, list)
        case mi.DictType() | mi.StructType():
            return isinstance(data, dict)
        case mi.LiteralType():
            return isinstance(data, str | int)
    return False


def _wanted(info: mi.Type) -> str:
    match info:
        case mi.IntType() | mi.FloatType():
            name = _NAMES[int if isinstance(info, mi.IntType) else float]
            low, high = info.ge if info.ge is not None else info.gt, info.le
            if low is not None and high is not None:
                return f"{name} from {low} to {high}"
            if info.gt is not None:
                return f"{name} above {info.gt}"
            return name if low is None else f"{name} of at least {low}"
        case mi.BoolType():
            return _NAMES[bool]
        case mi.StrType() | mi.CustomType():
            return _NAMES[str]
        case mi.ListType() | mi.VarTupleType():
            return f"a list of {_plural(info.item_type)}"
        case mi.UnionType():
            return " or ".join(
                _wanted(option) for option in info.types if not isinstance(option, mi.NoneType)
            )
        case mi.LiteralType():
            return "one of " + ", ".join(f'"{value}"' for value in info.values)
    return "a table"


def _plural(info: mi.Type) -> str:
    return "texts" if isinstance(info, mi.StrType) else "numbers"
