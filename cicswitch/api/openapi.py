"""The OpenAPI 3.1 document, made from the endpoints and from the Structs that they speak."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import msgspec

from cicswitch.api import examples
from cicswitch.api.accounts.roles import ROLE_SCOPES, SCOPES
from cicswitch.api.endpoint import ENDPOINTS, Endpoint, Raw, encode
from cicswitch.api.problems import KINDS, MEDIA_TYPE, ProblemBody
from cicswitch.core.version import __version__

__all__ = ["document"]

_REF = "#/components/schemas/{name}"
_ALWAYS = (400, 413, 415, 422, 429, 500, 503)
_HEADERS = {
    "ETag": "the tag of what is answered, for If-Match and If-None-Match",
    "RateLimit-Limit": "requests a minute",
    "RateLimit-Remaining": "how many more may be sent at once",
    "RateLimit-Reset": "seconds until all of them may be, or until the next one may",
}
_DESCRIPTION = """
Errors are problem details (RFC 9457). Times are seconds of the epoch (UTC).
Lists go by cursor: `next` of a page is `cursor` of the next request.
A body has to be what is described: a field that is not known is an error.
"""


def document() -> bytes:
    """The document as JSON."""
    kinds = {kind for each in ENDPOINTS for kind in (each.body, each.answer) if _is_struct(kind)}
    kinds.add(ProblemBody)
    ordered = sorted(kinds, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in ENDPOINTS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, of)
    return encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "cicswitch",
                "version": __version__,
                "description": _DESCRIPTION.strip(),
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "tags": [{"name": tag} for tag in dict.fromkeys(each.tag for each in ENDPOINTS)],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "Scopes: "
                        + "; ".join(f"{k}: {v}" for k, v in SCOPES.items()),
                    },
                    "session": {
                        "type": "apiKey",
                        "in": "cookie",
                        "name": "cicswitch",
                        "description": "From POST /api/v1/session; what changes something takes"
                        " X-CSRF-Token too. Over HTTPS it is called __Host-cicswitch.",
                    },
                },
            },
        }
    )


def _is_struct(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, msgspec.Struct)


def _operation(each: Endpoint, of: dict[Any, Any]) -> dict[str, Any]:
    scopes = each.scopes or ()
    takes = f"Takes {' or '.join(scopes)}." if scopes else ""
    roles = [role for role, has in ROLE_SCOPES.items() if has.intersection(scopes)]
    text = [each.description.strip(), takes, f"Roles: {', '.join(roles)}." if scopes else ""]
    made: dict[str, Any] = {
        "operationId": each.name.replace(".", "_"),
        "tags": [each.tag],
        "summary": each.summary,
        "description": "\n\n".join(part for part in text if part),
        "parameters": _parameters(each),
        "responses": _responses(each, of),
        "security": [] if each.scopes is None else [{"token": list(scopes)}, {"session": []}],
    }
    if each.body is Raw:
        binary = {"schema": {"type": "string", "format": "binary"}}
        made["requestBody"] = {
            "required": True,
            "content": {"application/octet-stream": binary},
        }
    elif each.body is not None:
        made["requestBody"] = {
            "required": True,
            "content": {"application/json": _content(each.body, of)},
        }
    return made


def _content(kind: Any, of: dict[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": of[kind]}
    example = examples.of(kind)
    if example is not None:
        content["example"] = msgspec.json.decode(encode(example))
    return content


def _parameters(each: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in each.names
    ]
    if each.query is not None:
        (schema,), components = msgspec.json.schema_components((each.query,), ref_template=_REF)
        fields = components[schema["$ref"].rpartition("/")[2]]
        required = fields.get("required", ())
        for name, field in fields["properties"].items():
            found.append(
                {"name": name, "in": "query", "required": name in required, "schema": field}
            )
    text = {"type": "string"}
    if each.repeatable:
        about = "Sent again with the same key, it is done once and answered the same for a day"
        limited = {**text, "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"}
        found.append(
            {"name": "Idempotency-Key", "in": "header", "description": about, "schema": limited}
        )
    if 412 in each.errors:
        about = "Do it only if the ETag is this still; else 412"
        found.append({"name": "If-Match", "in": "header", "description": about, "schema": text})
    if 416 in each.errors:
        for name, about in (
            ("Range", "One part of it: `bytes=0-999`; several are answered with the whole"),
            ("If-Range", "The part only if the ETag is this still; else the whole"),
        ):
            found.append({"name": name, "in": "header", "description": about, "schema": text})
    if each.tagged and each.method == "GET":
        about = "Answer 304 if the ETag is this still"
        found.append(
            {"name": "If-None-Match", "in": "header", "description": about, "schema": text}
        )
    return found


def _responses(each: Endpoint, of: dict[Any, Any]) -> dict[str, Any]:
    names = [name for name in _HEADERS if name != "ETag" or each.tagged]
    headers = {
        name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names
    }
    status = 204 if each.answer is type(None) and each.status == 200 else each.status
    good: dict[str, Any] = {"description": each.summary, "headers": headers}
    if each.media_type != "application/json":
        good["content"] = {each.media_type: {"schema": {"type": "string", "format": "binary"}}}
    elif _is_struct(each.answer):
        good["content"] = {"application/json": _content(each.answer, of)}
    elif each.answer is not type(None):
        good["content"] = {"application/json": {"schema": {}}}
    found: dict[str, Any] = {str(status): good}
    if 416 in each.errors:
        found["206"] = {**good, "description": "The part that Range asks for"}
    if (each.tagged or 416 in each.errors) and each.method == "GET":
        found["304"] = {"description": "It is as it was"}
    errors = {*_ALWAYS, *each.errors, *((401, 403) if each.scopes is not None else (403,))}
    if each.names:
        errors.add(404)
    if each.repeatable:
        errors.add(409)
    for number in sorted(errors):
        kind, title = KINDS[number]
        example = ProblemBody(type=f"urn:cicswitch:problem:{kind}", title=title, status=number)
        found[str(number)] = {
            "description": title,
            "content": {MEDIA_TYPE: {"schema": of[ProblemBody], "example": example}},
        }
    return found


def kinds_without_example() -> list[str]:
    """Structs of bodies and answers that nobody has given an example for; there should be none."""
    kinds = {kind for each in ENDPOINTS for kind in (each.body, each.answer) if _is_struct(kind)}
    named = {get_args(kind)[0] if get_args(kind) else kind for kind in kinds}
    return sorted(kind.__name__ for kind in named if examples.of(kind) is None)
