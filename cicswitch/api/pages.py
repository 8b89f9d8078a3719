"""The console's files: `cicswitch/console/dist`, as built by `make console`, under `/console/`.

They are read once and served from memory. Names of what the build makes hold a digest, so browsers
keep those for good; `index.html` is asked for each time. Nothing is loaded from another host, and
the Content-Security-Policy says so.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from pathlib import Path

from litestar.types import Receive, Scope, Send

__all__ = ["Pages", "file_of"]

ROOT = "/console/"
_BUILT = Path(__file__).parent.parent / "console" / "dist"
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    b" font-src 'self'; connect-src 'self'; media-src 'self' blob:; frame-src 'self';"
    b" frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_PACKED = ("text/", "application/javascript", "application/json", "image/svg+xml")


class _File:
    """One file as it is sent."""

    def __init__(self, path: Path, name: str) -> None:
        self.body = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.packed = gzip.compress(self.body, 9, mtime=0) if kind.startswith(_PACKED) else b""
        self.tag = f'"{hashlib.blake2b(self.body, digest_size=12).hexdigest()}"'.encode()
        if kind.startswith("text/"):
            kind += "; charset=utf-8"
        kept = b"public, max-age=31536000, immutable" if name.startswith("assets/") else b"no-cache"
        self.headers = [
            (b"content-type", kind.encode()),
            (b"cache-control", kept),
            (b"etag", self.tag),
            (b"vary", b"accept-encoding"),
        ]


def file_of(name: str) -> _File | None:
    """A file of what is built, for who serves it elsewhere."""
    path = _BUILT / name
    return _File(path, name) if path.is_file() else None


class Pages:
    """An ASGI application for what begins with `/console`, and `/` that leads there."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or _BUILT
        self._files = {
            name: _File(path, name)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and (name := path.relative_to(folder).as_posix()) != "SOURCES"
        }

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a path is one of these."""
        return path in ("/", "/console") or path.startswith(ROOT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path, method = str(scope["path"]), str(scope.get("method", ""))
        more = list(_HEADERS)
        if scope.get("scheme") == "https":
            more.append((b"strict-transport-security", b"max-age=31536000"))
        if method not in ("GET", "HEAD"):
            await _answer(send, 405, [*more, (b"allow", b"GET, HEAD")], b"")
            return
        if not path.startswith(ROOT):
            await _answer(send, 307, [*more, (b"location", ROOT.encode())], b"")
            return
        file = self._files.get(path.removeprefix(ROOT) or "index.html")
        if file is None:
            text = b"there is no such page\n" if self._files else b"the console is not built\n"
            await _answer(send, 404, [*more, (b"content-type", b"text/plain")], text)
            return
        asked = {key.lower(): value for key, value in scope["headers"]}
        more += file.headers
        if file.tag in [tag.strip() for tag in asked.get(b"if-none-match", b"").split(b",")]:
            await _answer(send, 304, more, b"")
            return
        body = file.body
        if file.packed and b"gzip" in asked.get(b"accept-encoding", b""):
            body = file.packed
            more.append((b"content-encoding", b"gzip"))
        await _answer(send, 200, more, body, method == "HEAD")


async def _answer(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, head: bool = False
) -> None:
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
    if status == 304:
        start["headers"] = headers
    await send(start)  # type: ignore[arg-type]  # one of the messages of ASGI
    end = {"type": "http.response.body", "body": b"" if head else body, "more_body": False}
    await send(end)  # type: ignore[arg-type]  # the same
