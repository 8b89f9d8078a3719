"""Where a store is: a file of SQLite's, or a database of a PostgreSQL server.

    postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full

User, password and port may be left out: what libpq takes instead (`PGUSER`, `PGPASSWORD`,
`~/.pgpass`, 5432) is taken here too. The password is in no `str`, `repr` or error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["EXAMPLE", "Place", "Postgres", "is_url", "place_of", "text_of"]

EXAMPLE: Final = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
_SCHEMES: Final = ("postgresql", "postgres")
_KNOWN: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "host")
"""What may stand behind the `?`: no setting of the session, which could make a commit mean less."""
_SSL: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class Postgres:
    """A database. Raises `ValueError` with what is wrong in words that show nothing of the URL."""

    __slots__ = ("_url", "database", "host", "port", "user")

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            self.port = parts.port or 5432
        except ValueError:
            raise ValueError(
                "a URL that cannot be read (a port is a number; in a password @ is %40, : %3A)"
            ) from None
        if parts.scheme not in _SCHEMES:
            raise ValueError("a URL that does not begin with postgresql://")
        self.database = unquote(parts.path.removeprefix("/"))
        if not self.database or "/" in self.database:
            raise ValueError("a URL without the name of one database")
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        for name, value in asked.items():
            if name not in _KNOWN:
                raise ValueError(
                    f'"{name[:40]}" behind the ?, where only {", ".join(_KNOWN)} count'
                )
            if name == "sslmode" and value not in _SSL:
                raise ValueError(f"an sslmode that is none of {', '.join(_SSL)}")
        if parts.fragment:
            raise ValueError("a # in the URL (write it as %23)")
        self.host = parts.hostname or asked.get("host", "")
        if not self.host:
            raise ValueError("a URL without a host")
        self.user = unquote(parts.username or "")
        self._url = url

    def reveal(self) -> str:
        """The URL with its password."""
        return self._url

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{user}{host}:{self.port}/{self.database}"

    def __repr__(self) -> str:
        return f"Postgres({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Postgres) and other._url == self._url

    def __hash__(self) -> int:
        return hash(self._url)


Place = Path | Postgres


def is_url(text: str) -> bool:
    """Whether a text names a database rather than a file."""
    return text.partition("://")[0] in _SCHEMES


def place_of(text: str) -> Place:
    """A file's path or a database's URL. Raises `ValueError`."""
    return Postgres(text) if is_url(text) else Path(text)


def text_of(place: Place) -> str:
    """What `place_of` makes a place of, with its password: for processes of our own."""
    return str(place) if isinstance(place, Path) else place.reveal()
