from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.core.errors import ConfigError
from cicswitch.core.toml import Decoder, Document, Secret


class Inner(msgspec.Struct, frozen=True):
    size: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    mode: Literal["fast", "slow"] = "fast"


class Outer(msgspec.Struct, frozen=True):
    name: str
    inner: dict[str, Inner] = {}
    wait_s: float = 1.0
    tags: tuple[str, ...] = ()
    target: str | int = ""
    password: Secret = Secret()


def decode(text: str, **environ: str) -> tuple[Outer | None, list[str]]:
    document = Document(text, "a.toml")
    decoder = Decoder(document, environ)
    value = decoder.decode(Outer, document.data)
    return value, [str(finding) for finding in decoder.findings]


@pytest.mark.parametrize("value", ["90210", "9.0210", '["90210"]', "{ a = 90210 }"])
def test_a_secret_without_its_quotes_is_not_shown(value: str) -> None:
    _, findings = decode(f'name = "x"\npassword = {value}\n')
    (finding,) = findings
    assert finding.startswith("a.toml:2: password: found a value of type ")
    assert "0210" not in finding


def test_a_right_document_gives_the_struct() -> None:
    value, findings = decode(
        'name = "x"\nwait_s = 2\ntags = ["a", "b"]\n[inner.a]\nsize = 3\n'
        'password = "unused"\n'.replace('password = "unused"\n', "")
    )
    assert findings == []
    assert value == Outer(name="x", wait_s=2.0, tags=("a", "b"), inner={"a": Inner(size=3)})


def test_all_mistakes_are_reported_at_once_with_line_key_found_and_expected() -> None:
    _, findings = decode(
        "nam = 1\nwait_s = 'soon'\n\n[inner.a]\nsize = 12\n\n[inner.b]\nmode = 'fats'\nextra = 1\n"
    )
    assert findings == [
        'a.toml:1: nam: found unknown key "nam", expected a key that is known here '
        '(did you mean "name"?)',
        'a.toml:2: wait_s: found "soon", expected a number',
        "a.toml:5: inner.a.size: found 12, expected a whole number from 1 to 9",
        'a.toml:8: inner.b.mode: found "fats", expected one of "fast", "slow" '
        '(did you mean "fast"?)',
        'a.toml:9: inner.b.extra: found unknown key "extra", expected a key that is known here '
        "(known here: mode, size)",
        'a.toml:1: found no key "name", expected name = text',
    ]


def test_text_that_does_not_parse_names_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        Document("a = 1\nb = = 2\n", "b.toml")
    assert str(caught.value).startswith("b.toml:2: found TOML that does not parse: ")


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        Document.read(tmp_path / "none.toml")


def test_secrets_come_from_text_environment_or_file(tmp_path: Path) -> None:
    assert decode('name="x"\npassword="plain"')[0].password.reveal() == "plain"  # type: ignore[union-attr]
    assert decode('name="x"\npassword="env:PW"', PW="e")[0].password.reveal() == "e"  # type: ignore[union-attr]
    assert "variable PW to be set" in decode('name="x"\npassword="env:PW"')[1][0]
    (tmp_path / "pw").write_text("from file\n")
    document = Document(f'name="x"\npassword="file:{tmp_path}/pw"', "a.toml")
    value = Decoder(document).decode(Outer, document.data)
    assert value is not None
    assert value.password.reveal() == "from file"
    assert "from file" not in repr(value)


def test_lines_are_known_inside_arrays_inline_tables_and_after_long_strings() -> None:
    text = '''a = """
two
lines \\
more"""
b = [
  { c = 1 },
  { c = 2, "d.e" = [1,
    2] },
]
[[t]]
x = 1
[[t]]
[t.u]
y = """"quoted""""
z = 'c:\\'
[w] # comment
[v.x]
[v.y]
'''
    document = Document(text, "l.toml")
    assert document.line(("b",)) == 5
    assert document.line(("b", 1, "c")) == 7
    assert document.line(("b", 1, "d.e", 1)) == 8
    assert document.line(("t", 0, "x")) == 11
    assert document.line(("t", 1)) == 12
    assert document.line(("t", 1, "u", "z")) == 15
    assert document.line(("w",)) == 16
    assert document.line(("v",)) == 17
    assert document.line(("v", "y")) == 18
    assert document.line(("t", 1, "u", "nothing")) == 13


@given(st.text(max_size=200))
def test_any_text_either_parses_or_is_a_config_error(text: str) -> None:
    try:
        Document(text, "f.toml")
    except ConfigError as error:
        assert error.findings[0].line >= 1


KEYS = st.text("ab-_ .\"'\\\n#", max_size=4)


@given(
    st.recursive(
        st.integers() | st.text("a\"'\\\n#[]{}=", max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("ab. \"'", max_size=3), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_the_locator_follows_every_document_that_parses(value: object) -> None:
    text = f"# head\nkey = {_toml(value)}\nlast = 1\n"
    document = Document(text, "p.toml")
    assert document.line(("last",)) == text.count("\n", 0, text.rindex("last")) + 1


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        items = ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items())
        return "{" + items + "}"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return str(value) if abs(int(str(value))) < 2**63 else "1"
