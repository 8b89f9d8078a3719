"""The registrar's answers, message by message, and the client side of digest."""

from __future__ import annotations

import hashlib

import pytest

from cicswitch.core.ids import Tokens
from cicswitch.sip.auth import Authenticator, Credentials, authorization, digest, parse_digest
from cicswitch.sip.events import Event, RequestReceived
from cicswitch.sip.flow import Flow
from cicswitch.sip.message import Response
from cicswitch.sip.parse import parse
from cicswitch.sip.registrar import BindingChanged, Registrar, aor_of

from .net import Net

AOR = "alice@cic.example"
REALM = "cic.example"
BASE = "<sip:alice@10.0.0.1>"


class Place:
    """A registrar at B, and a phone at A that writes its REGISTERs by hand."""

    def __init__(self, auth: Authenticator | None = None, **more: int) -> None:
        self.net = Net()
        self.auth = auth
        self.registrar = Registrar(self.net.b.ua, auth, **more)  # type: ignore[arg-type]
        self.flow = Flow(self.net.b.listener, ("10.0.0.1", 5060))
        self.serial = 0

    def send(
        self, *headers: str, call_id: str = "r", cseq: int = 1, to: str = AOR, remote: str = ""
    ) -> Response:
        """One REGISTER; its final response."""
        self.serial += 1
        lines = "".join(f"{line}\r\n" for line in headers)
        flow = Flow(self.net.b.listener, (remote, 5060)) if remote else self.flow
        data = (
            f"REGISTER sip:cic.example SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK{self.serial}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{to}>;tag=1\r\nTo: <sip:{to}>\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
        ).encode()
        agent = self.net.b.ua
        agent.receive(data, flow, self.net.now)
        for event in agent.take_events():
            if isinstance(event, RequestReceived):
                assert self.registrar.handle(event, self.net.now)
            else:
                self.net.b.events.append(event)
        self.net.b.events += agent.take_events()
        ((_, answer),) = agent.take_outputs()
        response = parse(answer)
        assert isinstance(response, Response)
        return response

    def contacts(self, aor: str = AOR) -> list[str]:
        return [item.contact for item in self.registrar.lookup(aor, self.net.now)]


# ---- bindings


def test_a_register_without_contact_asks_for_the_bindings() -> None:
    place = Place()
    place.send("Contact: <sip:a@10.0.0.1>, <sip:a@10.0.0.2>;expires=120", "Expires: 600")
    place.net.run(20.0)
    response = place.send(cseq=2)
    assert response.status == 200
    assert sorted(response.get_list("Contact")) == [
        "<sip:a@10.0.0.1>;expires=580",
        "<sip:a@10.0.0.2>;expires=100",
    ]


def test_expires_of_the_contact_goes_before_the_header_and_both_before_the_default() -> None:
    place = Place(max_expires_s=900)
    for cseq, (headers, granted) in enumerate(
        [
            (("Contact: <sip:a@10.0.0.1>;expires=70", "Expires: 80"), 70),
            (("Contact: <sip:a@10.0.0.1>", "Expires: 80"), 80),
            (("Contact: <sip:a@10.0.0.1>",), 900),
            (("Contact: <sip:a@10.0.0.1>;expires=5000",), 900),
            (("Contact: <sip:a@10.0.0.1>;expires=soon", "Expires: 80"), 900),
            ((f"Contact: <sip:a@10.0.0.1>;expires={'9' * 5000}",), 900),
        ]
    ):
        response = place.send(*headers, cseq=cseq + 1)
        assert response.get_list("Contact") == [f"<sip:a@10.0.0.1>;expires={granted}"]


def test_each_contact_expires_by_itself() -> None:
    place = Place()
    place.send("Contact: <sip:a@10.0.0.1>;expires=60, <sip:a@10.0.0.2>;expires=120")
    place.net.run(61.0)
    assert place.contacts() == ["sip:a@10.0.0.2"]
    place.net.run(61.0)
    assert place.contacts() == []
    changes = [(item.registered, item.how) for item in place.net.b.all(BindingChanged)]
    assert changes == [(True, "registered")] * 2 + [(False, "expired")] * 2
    place.net.assert_empty()


def test_a_refresh_moves_the_expiry() -> None:
    place = Place()
    place.send("Contact: <sip:a@10.0.0.1>;expires=60")
    place.net.run(50.0)
    place.send("Contact: <sip:a@10.0.0.1>;expires=60", cseq=2)
    place.net.run(50.0)
    assert place.contacts() == ["sip:a@10.0.0.1"]


@pytest.mark.parametrize(("asked", "status"), [(59, 423), (60, 200), (1, 423), (0, 200)])
def test_an_interval_below_the_least_is_423(asked: int, status: int) -> None:
    place = Place(min_expires_s=60)
    response = place.send(f"Contact: <sip:a@10.0.0.1>;expires={asked}")
    assert response.status == status
    assert response.get("Min-Expires") == ("60" if status == 423 else "")


def test_one_bad_contact_of_several_refuses_them_all() -> None:
    place = Place()
    assert place.send("Contact: <sip:a@10.0.0.1>, <sip:a@10.0.0.2>;expires=5").status == 423
    assert place.contacts() == []


def test_the_wildcard_takes_every_contact_away() -> None:
    place = Place()
    place.send("Contact: <sip:a@10.0.0.1>, <sip:a@10.0.0.2>", "Expires: 600")
    assert place.send("Contact: *", "Expires: 0", cseq=2).status == 200
    assert place.contacts() == []


@pytest.mark.parametrize(
    "headers",
    [
        ("Contact: *",),
        ("Contact: *", "Expires: 60"),
        ("Contact: *", "Contact: <sip:a@10.0.0.1>", "Expires: 0"),
    ],
)
def test_a_wildcard_that_is_not_alone_or_not_zero_is_400(headers: tuple[str, ...]) -> None:
    place = Place()
    place.send("Contact: <sip:a@10.0.0.1>", "Expires: 600")
    assert place.send(*headers, cseq=2).status == 400
    assert place.contacts() == ["sip:a@10.0.0.1"]


@pytest.mark.parametrize(
    ("call_id", "cseq", "status"),
    [("r", 6, 200), ("r", 5, 500), ("r", 4, 500), ("rebooted", 1, 200)],
)
def test_the_order_of_cseq_counts_within_a_call_id(call_id: str, cseq: int, status: int) -> None:
    place = Place()
    place.send("Contact: <sip:a@10.0.0.1>", "Expires: 600", cseq=5)
    response = place.send("Contact: <sip:a@10.0.0.1>", "Expires: 0", call_id=call_id, cseq=cseq)
    assert response.status == status
    assert place.contacts() == ([] if status == 200 else ["sip:a@10.0.0.1"])


def test_contacts_over_the_most_are_403_but_refreshing_and_replacing_go_on() -> None:
    place = Place(max_contacts=2)
    place.send("Contact: <sip:a@10.0.0.1>, <sip:a@10.0.0.2>", "Expires: 600")
    assert place.send("Contact: <sip:a@10.0.0.3>", "Expires: 600", cseq=2).status == 403
    assert place.send("Contact: <sip:a@10.0.0.1>", "Expires: 600", cseq=2).status == 200
    swap = "Contact: <sip:a@10.0.0.1>;expires=0, <sip:a@10.0.0.3>;expires=600"
    assert place.send(swap, cseq=3).status == 200
    assert sorted(place.contacts()) == ["sip:a@10.0.0.2", "sip:a@10.0.0.3"]


def test_the_bindings_of_all_are_bounded_by_503() -> None:
    place = Place(max_bindings=1)
    assert place.send("Contact: <sip:a@10.0.0.1>").status == 200
    response = place.send("Contact: <sip:b@10.0.0.1>", to="bob@cic.example")
    assert response.status == 503
    assert response.get("Retry-After") == "60"


def test_a_phone_that_moved_keeps_one_binding_by_its_instance() -> None:
    place = Place()
    phone = ';+sip.instance="<urn:uuid:1>";expires=600'
    place.send(f"Contact: <sip:a@10.0.0.1>{phone}")
    place.send(f"Contact: <sip:a@10.0.0.7:6000>{phone}", cseq=2, remote="10.0.0.7")
    (binding,) = place.registrar.lookup(AOR, place.net.now)
    assert binding.contact == "sip:a@10.0.0.7:6000"
    assert binding.flow is not None
    assert binding.flow.remote == ("10.0.0.7", 5060)


@pytest.mark.parametrize(
    ("q", "value"), [("0.3", 0.3), ("7", 1.0), ("-1", 0.0), ("nan", 0.0), ("x", 1.0)]
)
def test_any_q_is_a_number_between_0_and_1(q: str, value: float) -> None:
    place = Place()
    place.send(f"Contact: <sip:a@10.0.0.1>;q={q}")
    (binding,) = place.registrar.lookup(AOR, place.net.now)
    assert binding.q == value


@pytest.mark.parametrize(
    "uri",
    ["sip:alice@CIC.example", "sip:alice@cic.example:5070;user=phone", "sip:%61lice@cic.example"],
)
def test_an_address_of_record_has_one_form(uri: str) -> None:
    assert aor_of(uri) == AOR


# ---- digest, the server's side


def authenticator(*algorithms: str, life_s: float = 300.0) -> Authenticator:
    source = iter(range(10_000))
    return Authenticator(
        REALM,
        b"key",
        Tokens(lambda size: next(source).to_bytes(4, "big") * size),
        lambda username, realm: {"alice": "secret", "bob": "hidden"}.get(username),
        algorithms=algorithms or ("SHA-256", "MD5"),
        nonce_life_s=life_s,
    )


def answer_to(
    response: Response,
    username: str = "alice",
    password: str = "secret",
    *,
    algorithm: str = "SHA-256",
    nc: str = "00000001",
    qop: str = "auth",
) -> str:
    """An Authorization header written by the formulas of RFC 7616 section 3.4.1."""
    challenges = [parse_digest(value) for value in response.get_all("WWW-Authenticate")]
    nonce = next(item["nonce"] for item in challenges if item and item["algorithm"] == algorithm)
    hasher = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]
    ha1 = hasher(f"{username}:{REALM}:{password}".encode()).hexdigest()
    ha2 = hasher(b"REGISTER:sip:cic.example").hexdigest()
    middle = f"{nonce}:{nc}:0a4f:auth" if qop else nonce
    value = hasher(f"{ha1}:{middle}:{ha2}".encode()).hexdigest()
    tail = f', qop=auth, nc={nc}, cnonce="0a4f"' if qop else ""
    return (
        f'Authorization: Digest username="{username}", realm="{REALM}", nonce="{nonce}", '
        f'uri="sip:cic.example", response="{value}", algorithm={algorithm}{tail}'
    )


@pytest.mark.parametrize("qop", ["auth", ""])
@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_the_right_password_registers(algorithm: str, qop: str) -> None:
    place = Place(authenticator())
    challenge = place.send("Contact: <sip:a@10.0.0.1>")
    assert challenge.status == 401
    assert [
        value.split("algorithm=")[1][:3] for value in challenge.get_all("WWW-Authenticate")
    ] == [
        "SHA",
        "MD5",
    ]
    header = answer_to(challenge, algorithm=algorithm, qop=qop)
    assert place.send("Contact: <sip:a@10.0.0.1>", header, cseq=2).status == 200
    assert place.contacts() == ["sip:a@10.0.0.1"]


@pytest.mark.parametrize(
    ("username", "password"), [("alice", "wrong"), ("nobody", "secret"), ("nobody", "")]
)
def test_a_wrong_password_and_an_unknown_user_look_alike(username: str, password: str) -> None:
    place = Place(authenticator())
    header = answer_to(place.send("Contact: <sip:a@10.0.0.1>"), username, password)
    response = place.send("Contact: <sip:a@10.0.0.1>", header, cseq=2)
    assert response.status == 401
    assert "stale" not in response.get("WWW-Authenticate")
    assert place.contacts() == []


def test_a_stale_nonce_is_challenged_as_stale_and_its_successor_is_good() -> None:
    place = Place(authenticator(life_s=60))
    header = answer_to(place.send())
    place.net.run(61.0)
    stale = place.send(header, cseq=2)
    assert (stale.status, "stale=true" in stale.get("WWW-Authenticate")) == (401, True)
    assert place.send(answer_to(stale), cseq=3).status == 200


def test_a_wrong_password_on_a_stale_nonce_is_not_called_stale() -> None:
    place = Place(authenticator(life_s=60))
    header = answer_to(place.send(), password="wrong")
    place.net.run(61.0)
    assert "stale" not in place.send(header, cseq=2).get("WWW-Authenticate")


def test_a_nonce_count_is_good_once_and_only_upwards() -> None:
    place = Place(authenticator())
    challenge = place.send()
    statuses = [
        place.send(answer_to(challenge, nc=nc), cseq=index + 2).status
        for index, nc in enumerate(["00000001", "00000001", "00000003", "00000002", "0000000A"])
    ]
    assert statuses == [200, 401, 200, 401, 200]


def test_a_nonce_of_another_key_is_refused() -> None:
    other = Place(Authenticator(REALM, b"other", Tokens(lambda n: b"x" * n), lambda u, r: "secret"))
    place = Place(authenticator())
    assert place.send(answer_to(other.send()), cseq=2).status == 401


def test_an_algorithm_that_was_not_offered_is_refused() -> None:
    place = Place(authenticator("SHA-256"))
    challenge = place.send()
    assert len(challenge.get_all("WWW-Authenticate")) == 1
    md5 = answer_to(challenge).replace("algorithm=SHA-256", "algorithm=MD5")
    assert place.send(md5, cseq=2).status == 400


def test_nobody_registers_an_address_of_record_of_another() -> None:
    place = Place(authenticator())
    header = answer_to(place.send(), "bob", "hidden")
    assert place.send("Contact: <sip:b@10.0.0.1>", header, cseq=2).status == 403
    assert place.contacts() == []


# ---- digest, the client's side


class Refusing:
    """B answers every request of A with the next of a list of responses."""

    def __init__(self, *answers: tuple[int, tuple[tuple[str, str], ...]]) -> None:
        self.net = Net()
        self.answers = list(answers)
        self.final: list[int] = []
        self.net.b.on_event = self._answer

    def _answer(self, event: Event, now: float) -> None:
        if isinstance(event, RequestReceived):
            status, headers = self.answers.pop(0)
            event.transaction.respond(now, status, headers=headers)

    def ask(self, credentials: Credentials | None) -> list[bytes]:
        """What A sent before it was content."""
        self.net.a.ua.request(
            self.net.now,
            "REGISTER",
            "sip:10.0.0.2",
            self.net.to_b,
            BASE,
            BASE,
            on_final=lambda now, status, response: self.final.append(status),
            credentials=credentials,
        )
        self.net.run(1.0)
        self.net.assert_empty()
        return [data for name, data in self.net.sent if name == "a"]


def challenge(name: str, text: str = "", nonce: str = "n1") -> tuple[tuple[str, str], ...]:
    return ((name, f'Digest realm="r", nonce="{nonce}"{text}'),)


SECRET = ("alice", "secret")
PAIRS = {
    401: ("WWW-Authenticate", b"\r\nAuthorization: "),
    407: ("Proxy-Authenticate", b"\r\nProxy-Authorization: "),
}


@pytest.mark.parametrize("status", [401, 407])
def test_a_challenge_is_answered_once(status: int) -> None:
    header, answer = PAIRS[status]
    flow = Refusing((status, challenge(header)), (status, challenge(header, nonce="n2")))
    first, second = flow.ask(Credentials(*SECRET))
    assert answer not in first
    assert answer in second
    assert flow.final == [status]


@pytest.mark.parametrize("status", [401, 407])
def test_a_stale_challenge_is_answered_again_and_no_third_time(status: int) -> None:
    header, answer = PAIRS[status]
    stale = [(status, challenge(header, ", stale=TRUE", f"n{n}")) for n in range(2, 4)]
    flow = Refusing((status, challenge(header)), *stale)
    sent = flow.ask(Credentials(*SECRET))
    assert [answer in data for data in sent] == [False, True, True]
    assert b'nonce="n2"' in sent[2]
    assert flow.final == [status]


def test_a_proxy_and_a_server_may_both_ask() -> None:
    flow = Refusing((407, challenge(PAIRS[407][0])), (401, challenge(PAIRS[401][0])), (200, ()))
    sent = flow.ask(Credentials(*SECRET))
    assert PAIRS[407][1] in sent[2]
    assert PAIRS[401][1] in sent[2]
    assert [int(data.split(b"CSeq: ")[1].split()[0]) for data in sent] == [1, 2, 3]
    assert len({data.split(b"branch=")[1].split(b"\r\n")[0] for data in sent}) == 3
    assert len({data.split(b"Call-ID: ")[1].split(b"\r\n")[0] for data in sent}) == 1
    assert flow.final == [200]


@pytest.mark.parametrize(
    "text",
    [", algorithm=SHA-512-256", ", algorithm=MD5-sess", ', qop="auth-int"'],
)
def test_a_challenge_that_we_do_not_speak_is_final(text: str) -> None:
    flow = Refusing((401, challenge(PAIRS[401][0], text)))
    assert len(flow.ask(Credentials(*SECRET))) == 1
    assert flow.final == [401]


def test_without_credentials_a_challenge_is_final() -> None:
    flow = Refusing((401, challenge(PAIRS[401][0])))
    assert len(flow.ask(None)) == 1


def test_the_strongest_challenge_is_answered() -> None:
    both = challenge(PAIRS[401][0], ', algorithm=MD5, qop="auth"') + challenge(
        PAIRS[401][0], ', algorithm=SHA-256, qop="auth,auth-int"', "n2"
    )
    flow = Refusing((401, both), (200, ()))
    sent = flow.ask(Credentials(*SECRET))
    assert b"algorithm=SHA-256, qop=auth, nc=00000001" in sent[1]


def test_a_challenge_without_qop_is_answered_as_rfc_2069() -> None:
    flow = Refusing((401, challenge(PAIRS[401][0], ', opaque="o"')), (200, ()))
    sent = flow.ask(Credentials(*SECRET))
    ha1 = hashlib.md5(b"alice:r:secret").hexdigest()
    wanted = digest("MD5", ha1, "REGISTER", "sip:10.0.0.2", "n1")
    assert f'response="{wanted}", algorithm=MD5, opaque="o"'.encode() in sent[1]
    assert b"nc=" not in sent[1]


def test_quotes_in_a_realm_come_back_quoted() -> None:
    params = parse_digest('Digest realm="a \\"b\\" \\\\", nonce="n", opaque="\\"x"')
    assert params is not None
    value = authorization(
        params, Credentials('q"u', "p"), "BYE", "sip:x", Tokens(lambda size: b"\x01" * size)
    )
    again = parse_digest(value)
    assert again is not None
    assert (again["realm"], again["username"], again["opaque"]) == ('a "b" \\', 'q"u', '"x')
