"""Connectivity checks, answered as an ICE lite agent (RFC 8445 section 2.5; STUN, RFC 8489).

We are where our description says we are, so we never check: the browser does, and its checks tell
where it is, also after it has changed the network. No packet of an address counts before a check
from there was right, so nobody is sent anything who has not asked with the leg's password.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from aioice import stun

__all__ = ["Check", "check", "is_stun"]

_MAX: Final = 1200


class Check:
    """A right check: whose it is, what to answer, whether the pair shall be used."""

    __slots__ = ("answer", "nominated", "ufrag")

    def __init__(self, ufrag: str, answer: bytes, nominated: bool) -> None:
        self.ufrag = ufrag
        self.answer = answer
        self.nominated = nominated


def is_stun(first: int) -> bool:
    """By the first byte of a packet (RFC 7983 section 7)."""
    return first < 4


def check(
    data: bytes, source: tuple[str, int], password_of: Callable[[str], str | None]
) -> Check | None:
    """Read a Binding request from `source`; None for anything else, which is dropped.

    `password_of` gives the password to a local user name fragment. RFC 8489 section 9.1.3 lets a
    request with wrong credentials be answered 401; it is dropped here, so that nobody can use us
    against a third party.
    """
    if len(data) > _MAX:
        return None
    try:
        request = stun.parse_message(data)
    except (ValueError, IndexError, struct.error):  # what its attributes may be cut off by
        return None
    if (
        request.message_method != stun.Method.BINDING
        or request.message_class != stun.Class.REQUEST
        or "FINGERPRINT" not in request.attributes
    ):
        return None
    name = request.attributes.get("USERNAME")
    if not isinstance(name, str):
        return None
    ufrag, colon, _ = name.partition(":")
    password = password_of(ufrag) if colon else None
    if password is None or not request.check_message_integrity(password.encode()):
        return None
    key = password.encode()
    if "ICE-CONTROLLED" in request.attributes:
        # RFC 8445 section 7.3.1.1: a lite agent is always controlled, the other has to switch.
        conflict = stun.Message(
            stun.Method.BINDING,
            stun.Class.ERROR,
            request.transaction_id,
            {"ERROR-CODE": (487, "Role Conflict")},
        )
        conflict.add_message_integrity(key)
        return Check(ufrag, bytes(conflict), False)
    answer = stun.Message(
        stun.Method.BINDING,
        stun.Class.RESPONSE,
        request.transaction_id,
        {"XOR-MAPPED-ADDRESS": source},
    )
    answer.add_message_integrity(key)
    return Check(ufrag, bytes(answer), "USE-CANDIDATE" in request.attributes)
