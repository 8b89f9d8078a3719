"""SPF, DKIM and DMARC, found out by the switch itself.

It runs in threads of its own. The DNS has a short time for each answer and for a mail as a whole;
who is not known by then is `temperror`, and after some mails without any answer the next ones do
not wait for it. So it never holds up a mail for longer than `MOST_S`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import dkim
import dns.exception
import dns.nameserver
import dns.resolver
import structlog

from cicswitch.core.errors import ResourceError
from cicswitch.mail.dmarc import evaluate
from cicswitch.mail.headers import addresses, domain_of, fields
from cicswitch.mail.parse import header_of
from cicswitch.mail.settings import MailSettings
from cicswitch.mail.spf import Address, Unreachable, check_host

__all__ = ["MOST_S", "Verifier"]

log = structlog.get_logger("email")

MOST_S: Final = 3.0
_ANSWER_S: Final = 1.0
_LOOKUPS: Final = 80
_SIGNATURES: Final = 8
"""RFC 6376 section 6.1: a verifier may limit how many it tries."""
_MOST_BYTES: Final = 10 << 20
"""A larger mail is not hashed: it would hold up everything else."""
_MOST_HASHED: Final = 16 << 20
_MOST_HEADER: Final = 64 << 10
_MOST_LINES: Final = 500_000
_MOST_SIGNATURE: Final = 8_000
_RUN: Final = re.compile(rb"[\t ]+")
_LONG_RUN: Final = re.compile(rb"[\s=]{40}")
_RELAXED: Final = re.compile(
    rb"(?:\A|;)\s{0,40}c\s{0,40}=\s{0,40}[a-z]{1,20}\s{0,40}/\s{0,40}relaxed"
)
_CACHED: Final = 10_000
_THREADS: Final = 4
_FAILURES: Final = 3
_REST_S: Final = 30.0
_SILENT: Final = {"spf": "temperror", "dkim": "temperror", "dmarc": "temperror"}
_INSIDE: Final = [
    ipaddress.ip_network(each)
    for each in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
]
_FROM: Final = re.compile(
    r"\s*from\s+(?P<helo>[^\s()\[\]]{1,255})(?P<rest>.{0,500}?)(?:\bby\b|$)",
    re.IGNORECASE | re.DOTALL,
)
_ADDRESS: Final = re.compile(r"\[(?:IPv6:)?([0-9a-fA-F:.]{2,45})\]")


class Verifier:
    """Asks the DNS."""

    def __init__(self, settings: MailSettings) -> None:
        self._own = [ipaddress.ip_network(each, strict=False) for each in settings.own_servers]
        self._threads = ThreadPoolExecutor(_THREADS, "verify")
        self._resolver = _resolver(settings.dns)
        self._failures = 0
        self._rests_until = 0.0
        self.counts = {"unverified": 0}

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def verify(
        self, raw: bytes, peer: str, helo: str, envelope_from: str | None
    ) -> dict[str, str]:
        """`{"spf": "pass", …}`; what cannot be told is left out. Never an error.

        `peer`: who has handed it in, if that is known.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._rests_until:
            self.counts["unverified"] += 1
            return dict(_SILENT)
        try:
            async with asyncio.timeout(MOST_S):
                found = await loop.run_in_executor(
                    self._threads, self._verified, raw, peer, helo, envelope_from
                )
        except TimeoutError:
            found = dict(_SILENT)
        except Exception as error:
            # dkimpy and dnspython before what a stranger wrote.
            log.warning("mail_not_verified", error=f"{type(error).__name__}: {error}"[:200])
            self.counts["unverified"] += 1
            return {}
        if set(found.values()) == {"temperror"}:
            self.counts["unverified"] += 1
            self._failures += 1
            if self._failures >= _FAILURES:
                self._failures = 0
                self._rests_until = loop.time() + _REST_S
                log.warning("verification_rests", seconds=_REST_S)
        else:
            self._failures = 0
        return found

    def _verified(
        self, raw: bytes, peer: str, helo: str, envelope_from: str | None
    ) -> dict[str, str]:
        asking = _Asking(self._resolver)
        header = header_of(raw)
        senders = fields(header, "From", 2)
        found = addresses(senders)
        domain = domain_of(found[0][1]) if len(senders) == 1 and len(found) == 1 else ""
        if envelope_from is None:
            envelope_from = "".join(
                address for _, address in addresses(fields(header, "Return-Path", 1))[:1]
            )
        source = self._source(fields(header, "Received", 30), peer, helo)
        spf = None
        if source is not None:
            spf = check_host(source[0], envelope_from, source[1], asking.lookup)
        signed = _dkim(raw, len(fields(header, "DKIM-Signature", 1000)), asking)
        verdicts = {
            "spf": spf[0] if spf is not None else "",
            "dkim": _best(signed),
            "dmarc": evaluate(domain, spf, signed, asking.lookup),
        }
        return {name: verdict for name, verdict in verdicts.items() if verdict}

    def _source(self, received: Sequence[str], peer: str, helo: str) -> tuple[Address, str] | None:
        """Who has handed the mail to one's own servers, and how he greeted; None: nobody knows."""
        if peer:
            address = ipaddress.ip_address(peer.partition("%")[0])
            if not self._is_own(address):
                # Who comes from the machine itself or from inside is a server of one's own.
                return None if any(address in each for each in _INSIDE) else (address, helo)
        if not self._own:
            return None
        for text in received:
            found = _FROM.match(text)
            where = _ADDRESS.search(found["rest"]) if found is not None else None
            if found is None or where is None:
                continue  # handed on within a machine
            try:
                address = ipaddress.ip_address(where[1])
            except ValueError:
                return None
            if not self._is_own(address):
                return address, found["helo"]
        return None

    def _is_own(self, address: Address) -> bool:
        return any(address in network for network in self._own)


class _Asking:
    """What one mail may ask of the DNS."""

    def __init__(self, resolver: dns.resolver.Resolver) -> None:
        self._resolver = resolver
        self._until = time.monotonic() + MOST_S - 0.2
        self._left = _LOOKUPS

    def lookup(self, name: str, kind: str) -> list[str]:
        """See `mail.spf`."""
        self._left -= 1
        left_s = self._until - time.monotonic()
        if self._left < 0 or left_s <= 0:
            raise Unreachable
        try:
            answer = self._resolver.resolve(
                name.rstrip(".") + ".", kind, lifetime=min(left_s, 2 * _ANSWER_S), search=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.resolver.LifetimeTimeout, dns.resolver.NoNameservers):
            raise Unreachable from None
        except (dns.exception.DNSException, UnicodeError):
            return []  # a name that is none
        return [_text(each, kind) for each in answer]

    def txt(self, name: bytes, timeout: float = 0.0) -> bytes | None:
        """As dkimpy asks for a key."""
        found = self.lookup(name.decode("ascii", "replace"), "TXT")
        return found[0].encode() if found else None


def _text(record: Any, kind: str) -> str:
    if kind == "TXT":
        return b"".join(record.strings).decode("utf-8", "replace")
    if kind == "MX":
        return str(record.exchange)
    return str(record)


def _resolver(servers: Sequence[str]) -> dns.resolver.Resolver:
    """Raises `ResourceError` where nobody says whom to ask."""
    try:
        made = dns.resolver.Resolver(configure=not servers)
    except dns.resolver.NoResolverConfiguration as error:
        raise ResourceError(f"verify: {error}") from None
    if servers:
        named = []
        for text in servers:
            host, _, port = text.rpartition(":")
            named.append(dns.nameserver.Do53Nameserver(host.strip("[]"), int(port)))
        made.nameservers = named
    made.timeout = _ANSWER_S
    made.cache = dns.resolver.LRUCache(_CACHED)
    return made


def _dkim(raw: bytes, count: int, asking: _Asking) -> list[tuple[str, str]]:
    """Result and domain of each signature that is looked at."""
    if not count:
        return []
    head = raw.find(b"\r\n\r\n", 0, _MOST_HEADER)
    if head < 0 or len(raw) > _MOST_BYTES or raw.count(b"\n") > _MOST_LINES:
        return [("policy", "")]
    try:
        verifier = dkim.DKIM(raw, minkey=1024)
    except dkim.DKIMException:
        return [("permerror", "")]
    body = verifier.body
    relaxed = _RUN.sub(b" ", body).replace(b" \r\n", b"\r\n")
    signatures = [value for name, value in verifier.headers if name.lower() == b"dkim-signature"]
    found: list[tuple[str, str]] = []
    # Each hashes the whole mail.
    for index in range(min(len(signatures), _SIGNATURES, max(2, _MOST_HASHED // len(raw)))):
        value = signatures[index]
        if len(value) > _MOST_SIGNATURE or _LONG_RUN.search(value):
            found.append(("policy", ""))
            continue
        verifier.domain, verifier.signature_fields, verifier.include_headers = None, {}, ()
        # dkimpy needs the square of a run of blanks: it is given what it would make of them.
        verifier.body = relaxed if _RELAXED.search(value) else body
        result = _signature(verifier, index, asking)
        found.append((result, bytes(verifier.domain or b"").decode("ascii", "replace").lower()))
    return found


def _signature(verifier: Any, index: int, asking: _Asking) -> str:
    try:
        good = verifier.verify(index, dnsfunc=asking.txt)
        if not good:
            # A key that is missing or none is told apart from a signature that is wrong.
            name = verifier.selector + b"._domainkey." + verifier.domain + b"."
            dkim.load_pk_from_dns(name, asking.txt)
            return "fail"
    except (dkim.DnsTimeoutError, Unreachable):
        return "temperror"
    except dkim.DKIMException as error:
        return "fail" if "body hash mismatch" in str(error) else "permerror"
    except Exception as error:
        # What stands in a signature or in a key is anybody's.
        log.debug("signature_unreadable", error=type(error).__name__)
        return "permerror"
    if b"from" not in verifier.include_headers:
        return "permerror"  # RFC 6376 section 6.1.1
    signed = verifier.signature_fields
    # Section 8.2: what is added behind `l` would be signed too. RFC 8301: SHA-1 proves nothing.
    return "policy" if b"l" in signed or signed.get(b"a") == b"rsa-sha1" else "pass"


def _best(signed: Sequence[tuple[str, str]]) -> str:
    """Of several signatures one that is good is enough."""
    results = [result for result, _ in signed]
    for result in ("pass", "temperror", "fail", "policy", "permerror"):
        if result in results:
            return result
    return "none"
