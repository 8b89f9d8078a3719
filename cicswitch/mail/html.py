"""HTML of strangers: made safe to show, and read as text.

What is shown has no script, style, form or frame, asks no server for anything (a picture that is
not in the mail is left out), and its links say where they come from to nobody.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

import nh3

__all__ = ["LONGEST", "safe", "text_of"]

LONGEST: Final = 2_000_000
"""Characters that are read; a letter is never so long."""
_TAGS: Final = {
    *("a", "abbr", "b", "blockquote", "br", "caption", "center", "cite", "code", "col", "colgroup"),
    *("dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img"),
    *("ins", "li", "ol", "p", "pre", "q", "s", "small", "span", "strike", "strong", "sub", "sup"),
    *("table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul"),
}
_ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan", "align"},
    "th": {"colspan", "rowspan", "align"},
    "ol": {"start"},
}
_DROPPED: Final = {"script", "style", "title", "head", "template", "noscript", "iframe", "object"}
_MOST_TAGS: Final = 100_000
"""And entities, for which a parser may need the square of their number."""


def safe(html: str) -> str:
    """The same, safe to show: `img` stay where the picture is in the mail (`cid:`)."""
    if html.count("<") > _MOST_TAGS or html.count("&") > _MOST_TAGS:
        html = _without_tags(html)
    return nh3.clean(
        html[:LONGEST],
        tags=_TAGS,
        clean_content_tags=_DROPPED,
        attributes=_ATTRIBUTES,
        attribute_filter=_filtered,
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        link_rel="noopener noreferrer nofollow",
    )


def _without_tags(html: str) -> str:
    return re.sub(r"<[^<>]{0,2000}>?", " ", html[:LONGEST]).replace("&", " ")


def _filtered(tag: str, attribute: str, value: str) -> str | None:
    if tag == "img" and attribute == "src":
        return value if value.strip().lower().startswith("cid:") else None
    if tag == "a" and attribute == "href" and value.strip().lower().startswith("cid:"):
        return None
    return value


_BLOCKS: Final = {
    *("p", "div", "tr", "table", "ul", "ol", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("pre", "blockquote", "center", "caption", "hr", "li"),
}
_PARAGRAPHS: Final = {"p", "ul", "ol", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table"}


class _Reader(HTMLParser):
    """Text of HTML that is safe already, and therefore well-formed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = [""]
        self.quoted = 0
        self.links: list[str] = []
        self.kept = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "blockquote":
            self._line()
            self.quoted = min(self.quoted + 1, 20)
        elif tag == "br":
            self._end()
        elif tag in _BLOCKS:
            self._line()
        if tag == "li":
            self.lines[-1] += "- "
        elif tag == "hr":
            self.lines[-1] += "-" * 20
            self._end()
        elif tag in ("td", "th") and self.lines[-1]:
            self.lines[-1] += " "
        elif tag == "pre":
            self.kept += 1
        elif tag == "a":
            self.links.append(dict(attrs).get("href") or "")
        elif tag == "img":
            self.lines[-1] += dict(attrs).get("alt") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self.links:
            link = self.links.pop()
            if link.startswith("http") and link not in self.lines[-1]:
                self.lines[-1] += f" <{link}>"
        if tag == "pre":
            self.kept = max(0, self.kept - 1)
        if tag in _BLOCKS:
            self._line()
        if tag == "blockquote":
            self.quoted = max(0, self.quoted - 1)
        before = self.lines[-2].strip("> ") if len(self.lines) > 1 else ""
        if tag in _PARAGRAPHS and not self.lines[-1] and before:
            self.lines[-1] = self._mark().rstrip()
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if self.kept:
            first, *rest = data.split("\n")
            self._add(first)
            for line in rest:
                self._end()
                self._add(line)
            return
        text = re.sub(r"[ \t\r\n\f\u00a0]+", " ", data)
        if self.lines[-1] in ("", self._mark()):
            text = text.lstrip(" ")
        self._add(text)

    def _mark(self) -> str:
        return ">" * self.quoted + " " if self.quoted else ""

    def _add(self, text: str) -> None:
        if text and not self.lines[-1]:
            self.lines[-1] = self._mark()
        self.lines[-1] += text

    def _line(self) -> None:
        if self.lines[-1]:
            self._end()

    def _end(self) -> None:
        self.lines[-1] = (self.lines[-1] or self._mark()).rstrip()
        self.lines.append("")


def text_of(html: str) -> str:
    """What safe HTML says, with `>` before what it quotes."""
    reader = _Reader()
    try:
        reader.feed(html)
        reader.close()
    except Exception:
        # The standard library's reader before what a stranger wrote: its words without order then.
        return " ".join(re.sub(r"<[^>]*>", " ", html).split())
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(reader.lines))
    return re.sub(r"(?:\n[> ]*)+\Z", "", text).strip()
