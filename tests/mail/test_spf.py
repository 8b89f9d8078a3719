"""SPF and DMARC by records of a table."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.mail.dmarc import evaluate, organisation
from cicswitch.mail.spf import Unreachable, check_host

Table = dict[str, list[str]]
RESULTS = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}
BASE: Table = {
    "a.test A": ["192.0.2.1"],
    "a.test AAAA": ["2001:db8::1"],
    "a.test MX": ["mail.a.test."],
    "mail.a.test A": ["192.0.2.9", "192.0.2.10"],
    "inc.test TXT": ["v=spf1 ip4:198.51.100.0/24 -all"],
    "soft.test TXT": ["v=spf1 ~all"],
    "broken.test TXT": ["v=spf1 nonsense"],
    "loop.test TXT": ["v=spf1 include:loop.test"],
    "1.2.0.192.in-addr.arpa PTR": ["host.a.test."],
    "host.a.test A": ["192.0.2.1"],
    "away.test TXT": ["!"],
    "user.a.test A": ["127.0.0.2"],
    "1.2.0.192.list.test A": ["127.0.0.2"],
    "many.test MX": [f"{n}.a.test." for n in range(11)],
}


def asked(table: Table, name: str, kind: str) -> list[str]:
    found = table.get(f"{name.rstrip('.').lower()} {kind}", [])
    if found == ["!"]:
        raise Unreachable
    return found


def result(
    policy: str | list[str],
    ip: str = "192.0.2.1",
    sender: str = "user@a.test",
    helo: str = "h.test",
) -> str:
    policies = [policy] if isinstance(policy, str) else policy
    table = {**BASE, "a.test TXT": policies}
    address = ipaddress.ip_address(ip)
    return check_host(address, sender, helo, lambda name, kind: asked(table, name, kind))[0]


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        ("v=spf1 -all", "fail"),
        ("v=spf1 ~all", "softfail"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1", "neutral"),
        ("V=SPF1 A -ALL", "pass"),
        ("v=spf10 -all", "none"),
        ("text", "none"),
        (["v=spf1 -all", "v=spf1 +all"], "permerror"),
        (["v=spf1 -all", "other"], "fail"),
        ("v=spf1 a -all", "pass"),
        ("v=spf1 -a:a.test", "fail"),
        ("v=spf1 a:mail.a.test -all", "fail"),
        ("v=spf1 a:mail.a.test/28 -all", "pass"),
        ("v=spf1 a:mail.a.test/28//64 -all", "pass"),
        ("v=spf1 mx/24 -all", "pass"),
        ("v=spf1 mx -all", "fail"),
        ("v=spf1 mx:many.test -all", "permerror"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
        ("v=spf1 ip4:192.0.2.2 -all", "fail"),
        ("v=spf1 ip4:192.0.2.1/33 -all", "permerror"),
        ("v=spf1 ip4:2001:db8::1 -all", "permerror"),
        ("v=spf1 ip6:2001:db8::/32 -all", "fail"),
        ("v=spf1 ip4 -all", "permerror"),
        ("v=spf1 include:inc.test ?all", "neutral"),
        ("v=spf1 include:soft.test -all", "fail"),
        ("v=spf1 include:none.test -all", "permerror"),
        ("v=spf1 include:broken.test -all", "permerror"),
        ("v=spf1 include:away.test -all", "temperror"),
        ("v=spf1 include:loop.test -all", "permerror"),
        ("v=spf1 include -all", "permerror"),
        ("v=spf1 redirect=soft.test", "softfail"),
        ("v=spf1 redirect=none.test", "permerror"),
        ("v=spf1 -all redirect=soft.test", "fail"),
        ("v=spf1 redirect=soft.test redirect=inc.test", "permerror"),
        ("v=spf1 exp=a.test exp=a.test -all", "permerror"),
        ("v=spf1 unknown=%{d} -all", "fail"),
        ("v=spf1 ptr -all", "pass"),
        ("v=spf1 ptr:other.test -all", "fail"),
        ("v=spf1 exists:%{l}.%{d} -all", "pass"),
        ("v=spf1 exists:%{ir}.list.test -all", "pass"),
        ("v=spf1 exists:%{i}.list.test -all", "fail"),
        ("v=spf1 exists:%{d2}.%{x} -all", "permerror"),
        ("v=spf1 exists:%{c} -all", "permerror"),
        ("v=spf1 all:x", "permerror"),
        ("v=spf1 -all trailing", "permerror"),
        ("v=spf1 a:n1.test a:n2.test a:n3.test -all", "permerror"),
        ("v=spf1 " + "a " * 11 + "-all", "pass"),
        ("v=spf1 " + "-exists:x.a.test " * 2 + "-all", "fail"),
        ("v=spf1 " + "include:soft.test " * 11 + "-all", "permerror"),
    ],
)
def test_a_policy_is_read_as_rfc_7208_says(policy: str | list[str], verdict: str) -> None:
    assert result(policy) == verdict


def test_other_addresses_and_senders() -> None:
    assert result("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::5") == "pass"
    assert result("v=spf1 a -all", "2001:db8::1") == "pass"
    assert result("v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1") == "pass"
    # The null sender is judged by the greeting.
    assert result("v=spf1 a -all", sender="", helo="a.test") == "pass"
    assert result("v=spf1 a -all", sender="", helo="[192.0.2.1]") == "none"
    assert result("v=spf1 a -all", sender="x@localhost") == "none"
    assert result("!", sender="x@away.test") == "temperror"


@given(st.text(alphabet="v=spf1 a:%{}.+-~?/4mxincludeptrexists=redirect~0129@", max_size=80))
def test_no_policy_is_an_error(text: str) -> None:
    assert result(f"v=spf1 {text}") in RESULTS


POLICIES: Table = {
    "_dmarc.a.test TXT": ["v=DMARC1; p=reject"],
    "_dmarc.strict.test TXT": ["v=DMARC1; p=none; adkim=s; aspf=s"],
    "_dmarc.away.test TXT": ["!"],
    "_dmarc.two.test TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject"],
    "_dmarc.bad.test TXT": ["v=DMARC1; p=maybe"],
    "_dmarc.reg.test TXT": ["v=DMARC1; p=reject; psd=y"],
    "_dmarc.own.reg.test TXT": ["v=DMARC1; p=reject"],
}


@pytest.mark.parametrize(
    ("sender", "spf", "dkim", "verdict"),
    [
        ("a.test", ("pass", "a.test"), [], "pass"),
        ("a.test", ("pass", "bounce.a.test"), [], "pass"),
        ("www.a.test", ("fail", "a.test"), [("pass", "mail.a.test")], "pass"),
        ("a.test", ("pass", "evil.test"), [("pass", "evil.test")], "fail"),
        ("a.test", ("pass", "evila.test"), [], "fail"),
        ("a.test", ("fail", "a.test"), [("fail", "a.test")], "fail"),
        ("a.test", None, [("fail", "a.test")], ""),
        ("a.test", None, [("pass", "a.test")], "pass"),
        ("a.test", ("temperror", "a.test"), [], "temperror"),
        ("a.test", ("fail", "a.test"), [("temperror", "a.test")], "temperror"),
        ("strict.test", ("pass", "x.strict.test"), [("pass", "x.strict.test")], "fail"),
        ("strict.test", ("pass", "strict.test"), [], "pass"),
        ("none.test", ("pass", "none.test"), [], "none"),
        ("two.test", ("pass", "two.test"), [], "none"),
        ("bad.test", ("pass", "bad.test"), [], "none"),
        ("away.test", ("pass", "away.test"), [], "temperror"),
        ("", ("pass", "a.test"), [], "permerror"),
        # Two owners below one registry have nothing to do with each other.
        ("own.reg.test", ("pass", "evil.reg.test"), [], "fail"),
        ("own.reg.test", ("pass", "x.own.reg.test"), [], "pass"),
    ],
)
def test_dmarc_asks_for_one_that_is_aligned(
    sender: str, spf: tuple[str, str] | None, dkim: list[tuple[str, str]], verdict: str
) -> None:
    found = evaluate(sender, spf, dkim, lambda name, kind: asked(POLICIES, name, kind))
    assert found == verdict


def test_a_long_name_costs_few_questions() -> None:
    names: list[str] = []

    def lookup(name: str, kind: str) -> list[str]:
        names.append(name)
        return []

    assert organisation("x." * 60 + "test", lookup) == "x." * 60 + "test"
    assert len(names) <= 8
