"""What the API is made of: functions that say what they answer, who may ask, and for what.

    @endpoint("GET", "/queues/{queue}", scopes="queues:read", tagged=True)
    async def one(ask: Ask, queue: str) -> QueueView: ...

Parameters after `ask`: those of the path by their names, `body` and `query` as Structs. The routes,
the OpenAPI document and the tests of who may do what are all made from `ENDPOINTS`.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import structlog

from cicswitch.api.accounts.model import Account, Principal
from cicswitch.api.accounts.roles import SCOPES
from cicswitch.api.problems import Problem
from cicswitch.core.errors import ResourceError
from cicswitch.core.toml import Secret

if TYPE_CHECKING:
    from cicswitch.api.context import Api

__all__ = [
    "BODY_LIMIT",
    "ENDPOINTS",
    "PREFIX",
    "Answer",
    "Ask",
    "Endpoint",
    "Raw",
    "encode",
    "endpoint",
    "etag_of",
]

log = structlog.get_logger("api")

PREFIX = "/api/v1"
BODY_LIMIT = 1 << 20
Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)
T = TypeVar("T")


def _hook(value: Any) -> Any:
    return "…" if isinstance(value, Secret) else str(value)


encode = msgspec.json.Encoder(enc_hook=_hook).encode
"""A value as JSON; a secret is not shown."""


def etag_of(value: Any) -> str:
    """The tag of what a resource looks like."""
    raw = value if isinstance(value, bytes) else encode(value)
    return f'"{hashlib.blake2b(raw, digest_size=12).hexdigest()}"'


class Answer(msgspec.Struct, Generic[T]):
    """An answer with more than a value."""

    value: T
    status: int = 0
    """0: the endpoint's own."""
    headers: dict[str, str] = {}


class Raw:
    """A body that is no JSON and may be large: read piece by piece, by who may send it."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces


class Ask:
    """A request: who, from where, when, and the parts of the switch that answer."""

    __slots__ = ("address", "api", "headers", "known", "now", "secure")

    def __init__(
        self,
        api: Api,
        headers: Mapping[str, str],
        address: str,
        now: float,
        *,
        secure: bool,
    ) -> None:
        self.api = api
        self.headers = headers
        self.address = address
        self.now = now
        self.secure = secure
        self.known: Principal | None = None

    @property
    def principal(self) -> Principal:
        """Who asks. Raises `Problem` 401 if nobody is known."""
        if self.known is None:
            raise Problem(401, "sign in, or give a token", headers={"WWW-Authenticate": "Bearer"})
        return self.known

    @property
    def account(self) -> Account:
        """Whose account it is."""
        return self.principal.account

    def may(self, scope: str) -> bool:
        """Whether who asks has a scope."""
        return self.known is not None and scope in self.known.scopes

    def only_own(self, agent: str, scope: str) -> None:
        """Who has not this scope may act for his own agent only. Raises `Problem` 403."""
        if not self.may(scope) and (not agent or agent != self.account.agent):
            raise Problem(403, f"for any agent but one's own this takes {scope}")

    @property
    def conditional(self) -> bool:
        """Whether it is to be done only if nothing has changed."""
        return self.headers.get("if-match", "*").strip() != "*"

    def match(self, current: Any) -> None:
        """Check `If-Match` against a resource as it is. Raises `Problem` 412."""
        if not self.conditional:
            return
        tags = [tag.strip() for tag in self.headers["if-match"].split(",")]
        if etag_of(current) not in tags:
            raise Problem(412, "it has changed since it was read: read it again")

    async def note(self, action: str, target: str, before: Any = None, after: Any = None) -> None:
        """Add to the audit log what has been done. Raises `Problem` 503 where it cannot be written:
        it is in the log of the switch then, and `/health` says so."""
        actor = self.principal.actor(self.address)
        degraded = self.api.switch.degraded
        try:
            await self.api.directory.note(actor, self.now, action, target, before, after)
        except ResourceError as error:
            degraded["audit"] = str(error)
            log.error("audit_failed", who=actor.who, action=action, target=target, error=str(error))
            raise Problem(503, f"it is done, but the audit log has failed: {error}") from None
        degraded.pop("audit", None)


class Endpoint:
    """One operation of the API."""

    def __init__(
        self,
        method: str,
        path: str,
        handler: Handler,
        scopes: tuple[str, ...] | None,
        status: int,
        tagged: bool,
        errors: tuple[int, ...],
        repeatable: bool,
        media_type: str,
        body_limit: int,
    ) -> None:
        self.media_type = media_type
        self.body_limit = body_limit
        self.method = method
        self.path = PREFIX + path
        self.handler = handler
        self.scopes = scopes
        """Any of them is enough; empty: everybody who is signed in; None: everybody."""
        self.status = status
        self.tagged = tagged
        self.repeatable = repeatable
        self.errors = errors
        self.names = re.findall(r"{(\w+)}", path)
        hints = get_type_hints(handler)
        parameters = list(inspect.signature(handler).parameters)
        assert parameters[0] == "ask", handler
        assert set(parameters[1:]) - {"body", "query"} == set(self.names), handler
        self.body: Any = hints.get("body")
        self.query: Any = hints.get("query")
        answer: Any = hints["return"]
        self.answer: Any = get_args(answer)[0] if get_origin(answer) is Answer else answer
        self.name = f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}"
        self.summary, _, self.description = inspect.cleandoc(handler.__doc__ or "").partition("\n")
        assert self.summary, handler
        assert set(scopes or ()) <= SCOPES.keys(), handler

    @property
    def tag(self) -> str:
        """Its group in the document."""
        return self.name.partition(".")[0]


ENDPOINTS: list[Endpoint] = []
"""All of them; the modules of `resources` put theirs here."""


def endpoint(
    method: str,
    path: str,
    *,
    scopes: str | tuple[str, ...] | None = (),
    status: int = 200,
    tagged: bool = False,
    errors: tuple[int, ...] = (),
    repeatable: bool | None = None,
    media_type: str = "application/json",
    body_limit: int = BODY_LIMIT,
) -> Callable[[H], H]:
    """Make a function an endpoint.

    `tagged`: the answer has an ETag. `errors`: statuses beside those that any endpoint may answer.
    `media_type`: what it answers with; what is not JSON is sent piece by piece, or in part.
    `body_limit`: bytes of a body; a larger one than usual is read only of who may send it.
    `repeatable`: whether `Idempotency-Key` counts; by default for a POST of who is signed in.
    """
    wanted = (scopes,) if isinstance(scopes, str) else scopes
    if repeatable is None:
        repeatable = method == "POST" and wanted is not None

    def register(handler: H) -> H:
        ENDPOINTS.append(
            Endpoint(
                *(method, path, handler, wanted, status, tagged, errors, repeatable),
                *(media_type, body_limit),
            )
        )
        return handler

    return register
