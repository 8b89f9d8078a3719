"""Where what is quoted begins, and quoting itself."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["quote", "split"]

_MOST_LINES: Final = 20_000
_HEADS: Final = re.compile(
    r"\s*(?:-{2,}\s*(?:Original Message|Original-Nachricht|Ursprüngliche Nachricht|Mensaje original"
    r"|Message d'origine|원본 메시지|원본 메일|元のメッセージ|Forwarded message|전달된 메시지)"
    r"\s*-{2,}|_{20,})\s*",
    re.IGNORECASE,
)
_WROTE: Final = re.compile(
    r"(?:On\b.{5,300}\bwrote|Am\b.{5,300}\bschrieb\b.{0,150}|Le\b.{5,300}\ba écrit"
    r"|El\b.{5,300}\bescribió|Il\b.{5,300}\bha scritto|Em\b.{5,300}\bescreveu"
    r"|.{0,300}(?:님이|가|이)\s*(?:작성|쓴 글|썼습니다).{0,20}|.{5,300}のメール)\s*[:\uff1a]\s*",
    re.IGNORECASE,
)
_FIELD: Final = re.compile(
    r"\s*\*?(?:From|Sent|To|Cc|Date|Subject|Von|Gesendet|An|Betreff|De|Envoyé|À|Objet"
    r"|보낸 사람|보낸사람|보낸 날짜|받는 사람|받는사람|날짜|제목|差出人|送信日時|宛先|件名)"
    r"\s*\*?\s*[:\uff1a]\*?\s*\S.{0,500}",
    re.IGNORECASE,
)


def split(text: str) -> int:
    """How many characters of a text are new; all of them where nothing is quoted at its end.

    What is answered between the lines of a quotation is new, with the lines around it.
    """
    lines = text.split("\n")
    if len(lines) > _MOST_LINES:
        return len(text)
    at = _marked(lines)
    for number, line in enumerate(lines[:at]):
        if len(line) > 1000:
            continue
        if _HEADS.fullmatch(line) and (line.strip(" _") or _is_head(lines, number + 1)):
            at = number
            break
        if _FIELD.fullmatch(line) and _is_head(lines, number):
            at = number
            break
    if at == len(lines) or not any(line.strip() for line in lines[:at]):
        return len(text)  # nothing is folded where nothing would be left
    return len("\n".join(lines[:at]).rstrip())


def _marked(lines: list[str]) -> int:
    """The line where a quotation begins that goes on to the end: `>`, and who has written it."""
    at = len(lines)
    while at and (not lines[at - 1].strip() or lines[at - 1].lstrip().startswith(">")):
        at -= 1
    if not any(line.strip() for line in lines[at:]):
        return len(lines)
    before = at
    while before and not lines[before - 1].strip():
        before -= 1
    for count in (1, 2, 3):
        if before >= count:
            joined = " ".join(line.strip() for line in lines[before - count : before])
            if len(joined) <= 700 and _WROTE.fullmatch(joined):
                return before - count
    return at


def _is_head(lines: list[str], number: int) -> bool:
    """Three fields of a header in a row: Outlook quotes so, without marks."""
    found = 0
    for line in lines[number : number + 8]:
        if len(line) <= 1000 and _FIELD.fullmatch(line):
            found += 1
        elif line.strip():
            break
    return found >= 3


def quote(text: str, head: str, most: int = 20_000) -> str:
    """A text as it is quoted, below a line that says whose it is."""
    cut = text[:most].rstrip()
    lines = [
        f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in cut.split("\n")
    ]
    return "\n".join([head, *lines, *([">", "> […]"] if len(text) > most else [])])
