"""Whether an address may send for a domain (RFC 7208): `check_host`, without a socket.

`lookup(name, kind)` gives the texts of DNS records (TXT whole, MX without preference), an empty
list where there are none, and raises `Unreachable` where nobody answers in time. Ten lookups, two
of them void, is what a policy may cost (section 4.6.4).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

__all__ = ["Lookup", "Unreachable", "check_host", "reverse_name"]

Lookup = Callable[[str, str], list[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MOST_LOOKUPS: Final = 10
_MOST_VOID: Final = 2
_MOST_NAMES: Final = 10
_MOST_TERMS: Final = 500
_RESULTS: Final = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_TERM: Final = re.compile(
    r"(?P<sign>[+?~-])?(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)"
    r"(?::(?P<value>[\x21-\x2e\x30-\x7e]+(?:/[^/\x20]*[^/\x20\d][^/\x20]*)*))?"
    r"(?:/(?P<bits>\d{1,3}))?(?://(?P<bits6>\d{1,3}))?",
    re.IGNORECASE,
)
_IP: Final = re.compile(
    r"(?P<sign>[+?~-])?(?P<name>ip4|ip6):(?P<value>[0-9a-f:.]+(?:/\d{1,3})?)", re.IGNORECASE
)
_MODIFIER: Final = re.compile(r"(?P<name>[a-z][a-z0-9._-]*)=(?P<value>[\x21-\x7e]*)", re.IGNORECASE)
_MACRO: Final = re.compile(
    r"%(?:\{([slodiphcrtv])(\d{0,3})(r?)([-.+,/_=]*)\}|([%_-]))", re.IGNORECASE
)
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)


class Unreachable(Exception):
    """The DNS did not answer."""


class _Permanent(Exception):
    """The policy cannot be read."""


def _is_name(domain: str) -> bool:
    labels = domain.rstrip(".").split(".")
    return len(labels) > 1 and len(domain) <= 253 and all(map(_LABEL.fullmatch, labels))


def reverse_name(ip: Address) -> str:
    """Where the PTR records of an address are."""
    return ip.reverse_pointer


def check_host(ip: Address, sender: str, helo: str, lookup: Lookup) -> tuple[str, str]:
    """The result, and the domain that it is about. `sender`: MAIL FROM, empty for the null one."""
    local, at, domain = sender.rpartition("@")
    if not at:
        local, domain = "postmaster", sender or helo
    domain = domain.strip().rstrip(".").lower()
    mapped = getattr(ip, "ipv4_mapped", None)
    check = _Check(mapped or ip, f"{local or 'postmaster'}@{domain}", helo, lookup)
    try:
        return check.host(domain), domain
    except _Permanent:
        return "permerror", domain
    except Unreachable:
        return "temperror", domain


class _Check:
    """One check with what it has cost so far."""

    def __init__(self, ip: Address, sender: str, helo: str, lookup: Lookup) -> None:
        self.ip = ip
        self.sender = sender
        self.helo = helo
        self._lookup = lookup
        self._lookups = self._void = 0

    def host(self, domain: str) -> str:
        """`check_host()`. Raises `_Permanent`, `Unreachable`."""
        # Section 4.3: a domain that is malformed or not fully qualified is `none`.
        if not _is_name(domain):
            return "none"
        policies = [
            text
            for text in self._lookup(domain, "TXT")
            if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")
        ]
        if not policies:
            return "none"
        if len(policies) > 1:
            raise _Permanent("more than one policy")
        directives, redirect = _parsed(policies[0])
        for sign, name, value, bits in directives:
            if self._matches(name, value, bits, domain):
                return _RESULTS[sign]
        if redirect is None:
            return "neutral"
        self._spend()
        result = self.host(self._expanded(redirect, domain))
        if result == "none":
            raise _Permanent("redirected to nothing")
        return result

    def _spend(self) -> None:
        self._lookups += 1
        if self._lookups > _MOST_LOOKUPS:
            raise _Permanent("too many lookups")

    def _asked(self, name: str, kind: str) -> list[str]:
        found = self._lookup(name, kind) if _is_name(name) else []
        if not found:
            self._void += 1
            if self._void > _MOST_VOID:
                raise _Permanent("too many void lookups")
        return found

    def _matches(self, name: str, value: str, bits: tuple[int, int], domain: str) -> bool:
        if name == "all":
            return True
        if name in ("ip4", "ip6"):
            return self.ip in ipaddress.ip_network(value, strict=False)
        self._spend()
        target = self._expanded(value, domain) if value else domain
        if name == "include":
            result = self.host(target)
            if result == "none":
                raise _Permanent("it includes nothing")
            return result == "pass"
        if name == "exists":
            return bool(self._asked(target, "A"))
        if name == "a":
            return self._is_at(target, bits)
        if name == "mx":
            names = self._asked(target, "MX")
            if len(names) > _MOST_NAMES:
                raise _Permanent("too many MX")
            return any(self._is_at(each.rstrip("."), bits) for each in names if each != ".")
        return self._is_called(target)

    def _is_at(self, name: str, bits: tuple[int, int]) -> bool:
        four = self.ip.version == 4
        for text in self._asked(name, "A" if four else "AAAA"):
            network = f"{text}/{bits[0] if four else bits[1]}"
            if self.ip in ipaddress.ip_network(network, strict=False):
                return True
        return False

    def _is_called(self, target: str) -> bool:
        """`ptr`: a name of the address that leads back to it, in the domain."""
        try:
            names = self._asked(reverse_name(self.ip), "PTR")[:_MOST_NAMES]
        except Unreachable:
            return False  # section 5.5: the mechanism fails to match
        for each in names:
            name = each.rstrip(".").lower()
            if name == target.lower() or name.endswith(f".{target.lower()}"):
                try:
                    if self._is_at(name, (32, 128)):
                        return True
                except Unreachable:
                    continue
        return False

    def _expanded(self, text: str, domain: str) -> str:
        """A domain-spec with its macros (section 7). Raises `_Permanent`."""

        def one(found: re.Match[str]) -> str:
            if found[5]:
                return {"%": "%", "_": " ", "-": "%20"}[found[5]]
            letter = found[1].lower()
            if letter in "crt":
                raise _Permanent("a macro of explanations")
            local, _, own = self.sender.rpartition("@")
            whole = {
                "s": self.sender,
                "l": local,
                "o": own,
                "d": domain,
                "i": _dotted(self.ip),
                "p": "unknown",  # section 7.2: it should not be used
                "v": "in-addr" if self.ip.version == 4 else "ip6",
                "h": self.helo or "unknown",
            }[letter]
            parts = re.split(f"[{re.escape(found[4] or '.')}]", whole)
            if found[3]:
                parts.reverse()
            if found[2]:
                if int(found[2]) == 0:
                    raise _Permanent("no parts are asked for")
                parts = parts[-int(found[2]) :]
            shown = ".".join(parts)
            return quote(shown, safe="-._~@") if found[1].isupper() else shown

        if "%" in _MACRO.sub("", text):
            raise _Permanent("a macro that is none")
        name = _MACRO.sub(one, text).rstrip(".")
        # "If the resulting domain name exceeds 253 characters, the left side is truncated".
        while len(name) > 253 and "." in name:
            name = name.partition(".")[2]
        return name


def _dotted(ip: Address) -> str:
    if ip.version == 4:
        return str(ip)
    return ".".join(ip.exploded.replace(":", ""))


Directive = tuple[str, str, str, tuple[int, int]]


def _parsed(policy: str) -> tuple[list[Directive], str | None]:
    """Directives, and where `redirect` leads. Raises `_Permanent`: one mistake is enough."""
    directives: list[Directive] = []
    modifiers: dict[str, str] = {}
    terms = policy.split(" ")[1:]
    if len(terms) > _MOST_TERMS:
        raise _Permanent("too many terms")
    for term in filter(None, terms):
        found = _IP.fullmatch(term)
        if found is not None:
            directives.append(_network(found))
            continue
        found = _TERM.fullmatch(term)
        if found is not None:
            directives.append(_mechanism(found))
            continue
        found = _MODIFIER.fullmatch(term)
        if found is None:
            raise _Permanent(f"{term[:40]!r}")
        name = found["name"].lower()
        if name in ("redirect", "exp"):
            # Section 6: they "MUST NOT appear in a record more than once each".
            if name in modifiers or not found["value"]:
                raise _Permanent(name)
            modifiers[name] = found["value"]
    every = any(name == "all" for _, name, _, _ in directives)
    return directives, None if every else modifiers.get("redirect")


def _network(found: re.Match[str]) -> Directive:
    name, value = found["name"].lower(), found["value"]
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise _Permanent(name) from None
    if network.version != (4 if name == "ip4" else 6):
        raise _Permanent(name)
    return found["sign"] or "+", name, value, (32, 128)


def _mechanism(found: re.Match[str]) -> Directive:
    name, value = found["name"].lower(), found["value"] or ""
    bits, bits6 = found["bits"], found["bits6"]
    needs = name in ("include", "exists")
    if (
        name in ("ip4", "ip6")
        or (name == "all" and (value or bits or bits6))
        or (needs and not value)
        or ((needs or name == "ptr") and (bits or bits6))
        or int(bits or 32) > 32
        or int(bits6 or 128) > 128
    ):
        raise _Permanent(name)
    return found["sign"] or "+", name, value, (int(bits or 32), int(bits6 or 128))
