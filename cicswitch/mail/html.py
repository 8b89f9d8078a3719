"""HTML of strangers: made safe to show, and read as text.

What is kept has no script, form or frame, asks no server for anything (a picture that is not in the
mail is left out, and counted), and its links say where they come from to nobody. Of styles only
properties stay that can name no address and put nothing over something else.

    safe      as it is kept: pictures in the mail are `cid:`, others `cid:blocked`
    placed    `cid:` by the digests of the files that they are
    page      a document of it, with its pictures inside
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from html import escape, unescape
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote

import nh3

__all__ = ["LONGEST", "POLICY", "blocked", "page", "pictures", "placed", "safe", "text_of"]

POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:;"
    " style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""The Content-Security-Policy of a `page`: no script, no request, links in a tab of their own."""

LONGEST: Final = 2_000_000
"""Characters that are read; a letter is never so long."""
_TAGS: Final = {
    *("a", "abbr", "b", "blockquote", "br", "caption", "center", "cite", "code", "col", "colgroup"),
    *("dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img"),
    *("ins", "li", "ol", "p", "pre", "q", "s", "small", "span", "strike", "strong", "sub", "sup"),
    *("table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul"),
}
_STYLES: Final = {
    *("color", "background-color", "font-family", "font-size", "font-style", "font-weight"),
    *("line-height", "letter-spacing", "text-align", "text-decoration", "text-indent"),
    *("text-transform", "vertical-align", "white-space", "direction", "width", "max-width"),
    *("min-width", "height", "max-height", "padding", "padding-top", "padding-right"),
    *("padding-bottom", "padding-left", "border", "border-top", "border-right", "border-bottom"),
    *("border-left", "border-color", "border-style", "border-width", "border-collapse"),
    *("border-radius", "border-spacing"),
}
_BLOCKED: Final = "cid:blocked"
_ATTRIBUTES: Final = {
    "*": {"style"},
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan", "align"},
    "th": {"colspan", "rowspan", "align"},
    "ol": {"start"},
}
_DROPPED: Final = {"script", "style", "title", "head", "template", "noscript", "iframe", "object"}
_MOST_TAGS: Final = 100_000
"""And entities, for which a parser may need the square of their number."""


def safe(html: str, *, again: bool = False) -> str:
    """The same, safe to show: `img` stay where the picture is in the mail (`cid:`). `again`: it
    was cleaned before, and what it says of blocked pictures is ours."""
    if html.count("<") > _MOST_TAGS or html.count("&") > _MOST_TAGS:
        html = _without_tags(html)
    return nh3.clean(
        html[:LONGEST],
        tags=_TAGS,
        clean_content_tags=_DROPPED,
        attributes=_ATTRIBUTES,
        attribute_filter=_kept if again else _filtered,
        filter_style_properties=_STYLES,
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        link_rel="noopener noreferrer nofollow",
    )


_ADDRESS: Final = re.compile(r"url|expression|\\|@|<", re.IGNORECASE)
_LOGIN: Final = re.compile(r"\s*https?:[/\\]*[^/?#]*@", re.IGNORECASE)
_PICTURE: Final = re.compile(r'src="cid:([^"]{0,1000})"')
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_STYLE: Final = """
body { margin: 12px; font: 14px/1.5 sans-serif; color: #111; background: #fff;
  overflow-wrap: anywhere }
img { max-width: 100%; height: auto }
img:not([src]) { border: 1px dashed #888; min-width: 1em; min-height: 1em; color: #666 }
blockquote { margin-left: 0; padding-left: 12px; border-left: 3px solid #bbb }
a[href]::after { content: " ‹" attr(href) "›" !important; display: inline-block !important;
  max-width: 60ch !important; overflow: hidden !important; text-overflow: ellipsis !important;
  white-space: nowrap !important; vertical-align: bottom !important;
  font: 12px monospace !important;
  color: #555 !important; background: #fff !important; text-decoration: none !important;
  text-indent: 0 !important; letter-spacing: normal !important; text-transform: none !important;
  direction: ltr !important; opacity: 1 !important }
"""


def blocked(html: str) -> int:
    """How many pictures were left out of safe HTML because they are on other servers."""
    return html.count(f'src="{_BLOCKED}"')


def placed(html: str, digests: Mapping[str, str]) -> str:
    """Safe HTML, its pictures by digest; `digests` by Content-ID."""

    def one(found: re.Match[str]) -> str:
        name = unquote(unescape(found[1]))
        return f'src="cid:{digests[name]}"' if name in digests else found[0]

    return _PICTURE.sub(one, html)


def pictures(html: str) -> list[str]:
    """The digests of its pictures."""
    return list(dict.fromkeys(each for each in _PICTURE.findall(html) if _DIGEST.fullmatch(each)))


def page(html: str, title: str, files: Mapping[str, tuple[str, bytes]]) -> str:
    """A document of it, cleaned once more: type and bytes of pictures by digest are put into it,
    each once is enough."""

    def one(found: re.Match[str]) -> str:
        file = files.get(found[1])
        if file is None:
            return ""
        return f'src="data:{file[0]};base64,{b64encode(file[1]).decode()}"'

    body = _PICTURE.sub(one, safe(html, again=True))
    return (
        f'<!doctype html><html><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="referrer" content="no-referrer"><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>"
    )


def _without_tags(html: str) -> str:
    return re.sub(r"<[^<>]{0,2000}>?", " ", html[:LONGEST]).replace("&", " ")


def _kept(tag: str, attribute: str, value: str) -> str | None:
    if tag == "img" and attribute == "src" and value == _BLOCKED:
        return value
    return _filtered(tag, attribute, value)


def _filtered(tag: str, attribute: str, value: str) -> str | None:
    if tag == "img" and attribute == "src":
        value = value.strip()
        if value.lower().startswith(_BLOCKED):
            return None
        if value.lower().startswith("cid:"):
            return value
        return _BLOCKED if value.lower().startswith(("http:", "https:", "//")) else None
    if attribute == "style" and _ADDRESS.search(value):
        return None
    if tag == "a" and attribute == "href" and _LOGIN.match(value):
        return None  # a name before an @ looks like the server that it goes to
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
