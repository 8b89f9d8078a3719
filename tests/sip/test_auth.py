"""Digest, both sides, and who may register where."""

from __future__ import annotations

import hashlib

import pytest

from cicswitch.core.ids import Tokens
from cicswitch.sip.auth import (
    Authenticator,
    Credentials,
    Ha1,
    authorization,
    digest,
    parse_digest,
)
from cicswitch.sip.events import (
    Event,
    InviteReceived,
    RequestReceived,
    SessionAccepted,
    SessionRejected,
)
from cicswitch.sip.flow import Flow
from cicswitch.sip.message import Request, Response
from cicswitch.sip.parse import parse
from cicswitch.sip.registrar import BindingChanged, Registrar
from cicswitch.sip.registration import Ping, Registration, RegistrationState

from .net import Net

REALM = "cic.example"


def authenticator(**more: float) -> Authenticator:
    ha1 = Ha1(
        md5=hashlib.md5(b"hash:cic.example:pw").hexdigest(),
        sha256=hashlib.sha256(b"hash:cic.example:pw").hexdigest(),
    )
    known: dict[str, str | Ha1] = {"alice": "secret", "hash": ha1}
    return Authenticator(
        REALM,
        b"key",
        Tokens(lambda size: b"\x07" * size),
        lambda username, realm: known.get(username),
        **more,  # type: ignore[arg-type]
    )


def guarded(net: Net, auth: Authenticator) -> None:
    """B lets only those in who know their password."""

    def act(event: Event, now: float) -> None:
        if isinstance(event, InviteReceived):
            verdict = auth.check(event.request, now)
            if verdict.status == 200:
                event.session.accept(now, verdict.username.encode())
            else:
                event.session.reject(now, verdict.status, headers=verdict.headers)

    net.b.on_event = act


def test_rfc_7616_examples() -> None:
    nonce, cnonce = (
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    for algorithm, hasher, wanted in (
        ("MD5", hashlib.md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            "SHA-256",
            hashlib.sha256,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ):
        ha1 = hasher(b"Mufasa:http-auth@example.org:Circle of Life").hexdigest()
        answer = digest(algorithm, ha1, "GET", "/dir/index.html", nonce, "00000001", cnonce, "auth")
        assert answer == wanted


@pytest.mark.parametrize(("user", "password"), [("alice", "secret"), ("hash", "pw")])
def test_a_challenged_call_gets_through_and_its_requests_carry_credentials(
    user: str, password: str
) -> None:
    net = Net()
    guarded(net, authenticator())
    credentials = Credentials(user, password)
    session = net.a.ua.invite(
        net.now, "sip:b@10.0.0.2", net.to_b, "<sip:a@10.0.0.1>", body=b"o", credentials=credentials
    )
    net.run(0.1)
    assert net.a.one(SessionAccepted).body == user.encode()
    assert net.ladder() == [
        "a INVITE", "b 401 INVITE", "a ACK",
        "a INVITE", "b 200 INVITE", "a ACK",
    ]  # fmt: skip
    assert b"algorithm=SHA-256" in net.sent[3][1]
    assert b"CSeq: 2 INVITE" in net.sent[3][1]
    assert b"Authorization: Digest" in net.sent[-1][1]
    assert b"CSeq: 2 ACK" in net.sent[-1][1]
    session.end(net.now)
    net.run(0.1)
    assert b"CSeq: 3 BYE" in next(data for _, data in net.sent if data.startswith(b"BYE"))
    net.assert_empty()


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody", "secret")])
def test_wrong_credentials_are_tried_once(user: str, password: str) -> None:
    net = Net()
    guarded(net, authenticator())
    net.a.ua.invite(
        net.now,
        "sip:b@10.0.0.2",
        net.to_b,
        "<sip:a@10.0.0.1>",
        body=b"o",
        credentials=Credentials(user, password),
    )
    net.run(0.1)
    assert net.a.one(SessionRejected).status == 401
    assert net.ladder().count("a INVITE") == 2
    net.assert_empty()


def register(
    net: Net, contact: str, *, expires: str = "600", call_id: str = "r", cseq: int = 1
) -> tuple[int, Response | None]:
    """Send one REGISTER from A and give the final answer."""
    final: list[tuple[int, Response | None]] = []
    net.a.ua.request(
        net.now,
        "REGISTER",
        "sip:10.0.0.2",
        net.to_b,
        "<sip:alice@cic.example>",
        "<sip:alice@cic.example>",
        on_final=lambda now, status, response: final.append((status, response)),
        headers=[("Contact", contact), *([("Expires", expires)] if expires else [])],
        call_id=call_id,
        cseq=cseq,
        credentials=Credentials("alice", "secret"),
    )
    net.run(0.1)
    return final[0]


def registrar(net: Net, auth: Authenticator | None = None, **more: int) -> Registrar:
    made = Registrar(net.b.ua, auth, **more)  # type: ignore[arg-type]
    net.b.on_event = lambda event, now: (
        made.handle(event, now) if isinstance(event, RequestReceived) else None
    )  # type: ignore[assignment]
    return made


AOR = "alice@cic.example"


def test_a_phone_registers_refreshes_and_expires() -> None:
    net = Net()
    places = registrar(net, authenticator())
    status, response = register(net, "<sip:alice@192.168.1.5:5062>;q=0.5")
    assert status == 200
    assert response is not None
    assert "<sip:alice@192.168.1.5:5062>;expires=600" in response.get("Contact")
    (binding,) = places.lookup(AOR, net.now)
    assert binding.flow == net.to_a
    assert binding.q == 0.5
    assert register(net, "<sip:alice@192.168.1.5:5062>", cseq=5)[0] == 200
    assert len(places) == 1
    net.run(601.0)
    assert [(event.registered, event.how) for event in net.b.all(BindingChanged)] == [
        (True, "registered"),
        (False, "expired"),
    ]
    assert not len(places)
    net.assert_empty()


def test_several_contacts_come_in_order_of_q() -> None:
    net = Net()
    places = registrar(net)
    contacts = "<sip:a@10.1.1.1>;q=0.2, <sip:a@10.1.1.2>;q=0.9;expires=100"
    assert register(net, contacts)[0] == 200
    assert [item.contact for item in places.lookup(AOR, net.now)] == [
        "sip:a@10.1.1.2",
        "sip:a@10.1.1.1",
    ]
    assert register(net, "<sip:a@10.1.1.1>;expires=0", cseq=2)[0] == 200
    assert [item.contact for item in places.lookup(AOR, net.now)] == ["sip:a@10.1.1.2"]
    assert register(net, "*", expires="0", cseq=3)[0] == 200
    assert places.lookup(AOR, net.now) == []
    assert places.aors() == []


@pytest.mark.parametrize(
    ("contact", "expires", "cseq", "status"),
    [
        ("*", "600", 9, 400),
        ("*, <sip:a@x>", "0", 9, 400),
        ("<sip:a@10.1.1.1>", "30", 9, 423),
        ("<sip:a@10.1.1.1>", "600", 1, 500),
        ("not a uri", "600", 9, 400),
        (",".join(f"<sip:a@10.1.1.{n}>" for n in range(9)), "600", 9, 403),
    ],
)
def test_bad_registrations_change_nothing(
    contact: str, expires: str, cseq: int, status: int
) -> None:
    net = Net()
    places = registrar(net, max_contacts=5)
    assert register(net, "<sip:a@10.1.1.1>")[0] == 200
    given, response = register(net, contact, expires=expires, cseq=cseq)
    assert given == status
    if status == 423:
        assert response is not None
        assert response.get("Min-Expires") == "60"
    assert [item.cseq for item in places.lookup(AOR, net.now)] == [1]


def test_nobody_registers_for_another() -> None:
    net = Net()
    auth = authenticator()
    places = Registrar(net.b.ua, auth, may_register=lambda username, aor: False)
    net.b.on_event = lambda event, now: (
        places.handle(event, now) if isinstance(event, RequestReceived) else None
    )  # type: ignore[assignment]
    assert register(net, "<sip:a@10.1.1.1>")[0] == 403


def test_a_lost_connection_takes_its_bindings_along() -> None:
    net = Net(transport="TCP")
    places = registrar(net)
    register(net, "<sip:a@10.1.1.1;transport=tcp>")
    places.flow_failed(Flow(net.b.listener, ("10.0.0.1", 5060), 2), net.now)
    assert len(places) == 1
    places.flow_failed(net.to_a, net.now)
    assert not len(places)


def challenge_and_answer(auth: Authenticator, now: float) -> str:
    header = parse_digest(auth.challenge(now)[0][1])
    assert header is not None
    tokens = Tokens(lambda size: b"\x01" * size)
    return authorization(header, Credentials("alice", "secret"), "OPTIONS", "sip:b@x", tokens)


def checked(auth: Authenticator, value: str, now: float) -> tuple[int, bool]:
    request = parse(
        "OPTIONS sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n"
        "To: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
        f"Authorization: {value}\r\n\r\n".encode()
    )
    assert isinstance(request, Request)
    verdict = auth.check(request, now)
    return verdict.status, any("stale=true" in text for _, text in verdict.headers)


def test_nonces_grow_old_and_counts_are_used_once() -> None:
    auth = authenticator()
    value = challenge_and_answer(auth, 10.0)
    assert checked(auth, value, 11.0) == (200, False)
    assert checked(auth, value, 12.0) == (401, True)
    late = challenge_and_answer(auth, 20.0)
    assert checked(auth, late, 400.0) == (401, True)
    assert checked(auth, value.replace('nonce="', 'nonce="f'), 12.0) == (401, False)
    assert checked(auth, 'Digest realm="cic.example"', 12.0) == (400, False)
    assert checked(auth, value.replace('uri="sip:b@x"', 'uri="sip:c@x"'), 12.0) == (400, False)


def test_what_the_bounded_table_forgets_cannot_be_replayed() -> None:
    auth = authenticator(limit=1)
    source = iter(range(1000))
    auth._tokens = Tokens(lambda size: bytes([next(source) % 256]) * size)
    first, second = challenge_and_answer(auth, 10.0), challenge_and_answer(auth, 20.0)
    assert checked(auth, first, 21.0)[0] == 200
    assert checked(auth, second, 21.0)[0] == 200
    assert checked(auth, first, 22.0) == (401, True)


def test_a_trunk_registers_refreshes_and_unregisters() -> None:
    net = Net()
    places = registrar(net, authenticator())
    states: list[RegistrationState] = []
    trunk = Registration(
        net.a.ua,
        "sip:10.0.0.2",
        "<sip:alice@cic.example>",
        net.to_b,
        Credentials("alice", "secret"),
        contact_user="line1",
        expires_s=30,
        on_change=lambda now, trunk: states.append(trunk.state),
    )
    trunk.start(net.now)
    net.run(1.0)
    assert trunk.state is RegistrationState.REGISTERED
    (binding,) = places.lookup(AOR, net.now)
    assert binding.contact == "sip:line1@10.0.0.1:5060"
    net.run(300.0)  # 423 has taught it 60 s
    assert places.lookup(AOR, net.now)
    assert len(net.b.all(BindingChanged)) == 1
    trunk.stop(net.now)
    net.run(1.0)
    assert states == [
        RegistrationState.REGISTERING,
        RegistrationState.REGISTERED,
        RegistrationState.UNREGISTERING,
        RegistrationState.IDLE,
    ]
    assert not len(places)
    net.assert_empty()


def test_a_trunk_that_is_refused_tries_again_more_and_more_seldom() -> None:
    net = Net()
    registrar(net, authenticator())
    trunk = Registration(
        net.a.ua,
        "sip:10.0.0.2",
        "<sip:alice@cic.example>",
        net.to_b,
        Credentials("alice", "wrong"),
    )
    trunk.start(net.now)
    net.run(100.0)
    assert trunk.state is RegistrationState.FAILED
    assert trunk.last_status == 401
    assert 4 <= net.ladder().count("a REGISTER") / 2 <= 6
    trunk.stop(net.now)
    net.assert_empty()


def test_a_ping_tells_up_and_down() -> None:
    net = Net()
    told: list[bool] = []
    ping = Ping(
        net.a.ua, "sip:10.0.0.2", net.to_b, interval_s=10, on_change=lambda now, up: told.append(up)
    )
    ping.start(net.now)
    net.run(25.0)
    assert told == [True]
    net.verdict = lambda index, data: []
    net.run(120.0)
    assert told == [True, False]
    net.verdict = lambda index, data: [0.001]
    net.run(50.0)
    assert told == [True, False, True]
    ping.stop()
    net.assert_empty()
