"""Whether a mail is from the domain that its From says (RFC 7489), by SPF and DKIM.

Which domain is whose is found out by asking the DNS up the tree for policies, as the successor of
RFC 7489 does (dmarcbis section 4.10), and not by a list of public suffixes that grows old.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cicswitch.mail.spf import Lookup, Unreachable

__all__ = ["evaluate", "organisation"]

_MOST_STEPS: Final = 8
_TAGS: Final = ("none", "quarantine", "reject")


def evaluate(
    sender: str,
    spf: tuple[str, str] | None,
    dkim: Iterable[tuple[str, str]],
    lookup: Lookup,
) -> str:
    """`pass`, `fail`, `none`, `temperror`, `permerror`; empty: it cannot be told.

    `sender`: the domain of From. `spf` and `dkim`: results with their domains; SPF is None where
    nobody knows who has handed the mail in.
    """
    dkim = list(dkim)
    if "." not in sender:
        return "permerror"
    try:
        policy, home = _policy(sender, lookup)
        if policy is None:
            return "none"
        if any(
            result == "pass" and _aligned(sender, home, domain, policy.get("adkim", "r"), lookup)
            for result, domain in dkim
        ):
            return "pass"
        if spf is None:
            return ""
        result, domain = spf
        if result == "pass" and _aligned(sender, home, domain, policy.get("aspf", "r"), lookup):
            return "pass"
    except Unreachable:
        return "temperror"
    # What failed for the moment may pass another time.
    if result == "temperror" or any(each == "temperror" for each, _ in dkim):
        return "temperror"
    return "fail"


def _aligned(sender: str, home: str, domain: str, mode: str, lookup: Lookup) -> bool:
    """Section 3.1: strict asks for the same domain, relaxed for the same organisation."""
    domain = domain.lower().rstrip(".")
    if domain == sender:
        return True
    return mode != "s" and organisation(domain, lookup) == home


def _steps(domain: str) -> list[str]:
    labels = domain.split(".")
    names = [domain]
    if len(labels) > _MOST_STEPS:
        labels = labels[-_MOST_STEPS:]
    names += [".".join(labels[at:]) for at in range(1, len(labels))]
    return names


def organisation(domain: str, lookup: Lookup) -> str:
    """The domain that stands for all of an owner's: the highest one with a policy."""
    found = domain
    for name in _steps(domain):
        policy = _at(name, lookup)
        if policy is None:
            continue
        if policy.get("psd") == "n":
            return name
        if policy.get("psd") == "y":
            return found  # a registry's: what is below it is the owner's
        found = name
    return found


def _policy(sender: str, lookup: Lookup) -> tuple[dict[str, str] | None, str]:
    """The policy for a domain, and its organisation."""
    own = _at(sender, lookup)
    home = organisation(sender, lookup)
    if own is not None:
        return own, home
    return (_at(home, lookup) if home != sender else None), home


def _at(name: str, lookup: Lookup) -> dict[str, str] | None:
    """The policy that a name has; more than one is none (section 6.6.3)."""
    texts = [text for text in lookup(f"_dmarc.{name}", "TXT") if text.startswith("v=DMARC1")]
    read = [policy for text in texts if (policy := _read(text)) is not None]
    return read[0] if len(texts) == 1 and read else None


def _read(text: str) -> dict[str, str] | None:
    tags: dict[str, str] = {}
    for part in text[:4000].split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    if tags.get("v") != "DMARC1":
        return None
    # Section 6.6.3: without a valid p, a rua makes it "none", and else there is no policy.
    if tags.get("p", "").lower() not in _TAGS and not tags.get("rua"):
        return None
    tags["adkim"], tags["aspf"] = tags.get("adkim", "r").lower(), tags.get("aspf", "r").lower()
    return tags
