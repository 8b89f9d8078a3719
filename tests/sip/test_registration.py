"""Our registration at a provider, and the ping of a trunk, against a provider that misbehaves."""

from __future__ import annotations

import pytest

from cicswitch.sip.auth import Credentials
from cicswitch.sip.events import Event, RequestReceived
from cicswitch.sip.message import Request
from cicswitch.sip.registration import Ping, Registration, RegistrationState

from .net import Net

IDLE, REGISTERING = RegistrationState.IDLE, RegistrationState.REGISTERING
REGISTERED, FAILED = RegistrationState.REGISTERED, RegistrationState.FAILED
UNREGISTERING = RegistrationState.UNREGISTERING
Answer = tuple[int, tuple[tuple[str, str], ...]]
CONTACT = "<sip:line@10.0.0.1:5060>"


class Provider:
    """B answers REGISTERs from a list, its last entry for ever; A keeps one registration."""

    def __init__(self, *answers: Answer, expires_s: int = 600) -> None:
        self.net = Net()
        self.answers = list(answers) or [(200, ())]
        self.seen: list[tuple[float, Request]] = []
        self.states: list[RegistrationState] = []
        self.net.b.on_event = self._answer
        self.trunk = Registration(
            self.net.a.ua,
            "sip:provider.example",
            "<sip:line@provider.example>",
            self.net.to_b,
            Credentials("line", "secret"),
            contact_user="line",
            expires_s=expires_s,
            on_change=lambda now, trunk: self.states.append(trunk.state),
        )
        self.began = self.net.now

    def _answer(self, event: Event, now: float) -> None:
        if isinstance(event, RequestReceived):
            self.seen.append((now - self.began, event.request))
            status, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            event.transaction.respond(now, status, headers=headers)

    def start(self, seconds: float) -> None:
        self.trunk.start(self.net.now)
        self.net.run(seconds)

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.seen]

    @property
    def expires(self) -> list[str]:
        return [request.get("Expires") for _, request in self.seen]


def granting(seconds: int) -> Answer:
    return 200, (("Contact", f"{CONTACT};expires={seconds}"),)


CHALLENGE = (401, (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),))


def test_a_registration_is_refreshed_at_half_of_what_was_granted() -> None:
    provider = Provider(granting(100))
    provider.start(160.0)
    assert provider.times == pytest.approx([0.0, 50.0, 100.0, 150.0], abs=0.5)
    assert provider.states == [REGISTERING, REGISTERED]


def test_all_its_registers_share_a_call_id_and_count_their_cseq_up() -> None:
    provider = Provider(granting(100))
    provider.start(160.0)
    assert len({request.call_id for _, request in provider.seen}) == 1
    numbers = [request.cseq for _, request in provider.seen]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    "headers",
    [
        (("Contact", "<sip:else@192.0.2.1>;expires=7, " + CONTACT + ";expires=100"),),
        (("Expires", "100"),),
        (("Contact", CONTACT), ("Expires", "100")),
        (("Contact", "no uri at all"), ("Expires", "100")),
    ],
)
def test_the_granted_time_is_found_wherever_it_stands(headers: tuple[tuple[str, str], ...]) -> None:
    provider = Provider((200, headers))
    provider.start(60.0)
    assert provider.times == pytest.approx([0.0, 50.0], abs=0.5)


def test_a_challenge_is_answered_and_nobody_hears_of_it() -> None:
    provider = Provider(CHALLENGE, granting(600))
    provider.start(1.0)
    assert ["Authorization" in request.first for _, request in provider.seen] == [False, True]
    assert provider.states == [REGISTERING, REGISTERED]


def test_a_423_raises_the_interval_at_once() -> None:
    provider = Provider((423, (("Min-Expires", "1800"),)), granting(1800))
    provider.start(1.0)
    assert provider.expires == ["600", "1800"]
    assert provider.states == [REGISTERING, REGISTERED]


@pytest.mark.parametrize("minimum", ["600", "60", "soon", "", "9" * 5000])
def test_a_423_that_asks_for_nothing_more_is_a_failure(minimum: str) -> None:
    provider = Provider((423, (("Min-Expires", minimum),)))
    provider.start(4.0)
    assert provider.states == [REGISTERING, FAILED]
    assert len(provider.seen) == 1


def test_failures_are_retried_after_twice_the_time_up_to_the_most() -> None:
    provider = Provider((500, ()))
    provider.start(2000.0)
    waits = [
        later - earlier for earlier, later in zip(provider.times, provider.times[1:], strict=False)
    ]
    for wait, wanted in zip(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300], strict=False):
        assert wanted <= wait <= wanted * 1.1 + 0.5
    assert len(waits) >= 8


def test_retry_after_lengthens_the_wait() -> None:
    provider = Provider((503, (("Retry-After", "100 (maintenance);duration=5"),)), (200, ()))
    provider.start(99.0)
    assert len(provider.seen) == 1
    provider.net.run(13.0)
    assert provider.trunk.state is REGISTERED


def test_silence_is_a_408_and_is_retried() -> None:
    provider = Provider()
    provider.net.verdict = lambda index, data: []
    provider.start(32.5)
    assert (provider.trunk.state, provider.trunk.last_status) == (FAILED, 408)
    provider.net.verdict = lambda index, data: [0.001]
    provider.net.run(6.5)
    assert provider.trunk.state is REGISTERED
    assert provider.states == [REGISTERING, FAILED, REGISTERING, REGISTERED]


def test_a_refresh_that_fails_says_so_and_success_starts_the_back_off_anew() -> None:
    provider = Provider(granting(100), (500, ()), granting(100), (500, ()), granting(100))
    provider.start(130.0)
    assert provider.states == [REGISTERING, REGISTERED, *[FAILED, REGISTERING, REGISTERED] * 2]
    assert provider.times[2] - provider.times[1] < 6.0
    assert provider.times[4] - provider.times[3] < 6.0


def test_stop_unregisters_with_zero_and_leaves_no_timer() -> None:
    provider = Provider(granting(100))
    provider.start(1.0)
    provider.trunk.stop(provider.net.now)
    provider.trunk.stop(provider.net.now)
    provider.net.run(1000.0)
    assert provider.expires == ["600", "0"]
    assert provider.states[-2:] == [UNREGISTERING, IDLE]
    provider.net.assert_empty()


def test_stop_while_registering_still_unregisters() -> None:
    provider = Provider(granting(100))
    provider.trunk.start(provider.net.now)
    provider.trunk.stop(provider.net.now)
    provider.net.run(1000.0)
    assert provider.expires == ["600", "0"]
    assert provider.trunk.state is IDLE
    provider.net.assert_empty()


def test_stop_after_a_failure_is_quiet() -> None:
    provider = Provider((403, ()))
    provider.start(1.0)
    provider.trunk.stop(provider.net.now)
    provider.net.run(1000.0)
    assert len(provider.seen) == 1
    assert provider.trunk.state is IDLE
    provider.net.assert_empty()


def test_start_after_a_failure_leaves_one_chain_of_refreshes_which_stop_ends() -> None:
    provider = Provider((500, ()), granting(100))
    provider.start(1.0)
    assert provider.trunk.state is FAILED
    provider.start(30.0)
    assert len(provider.seen) == 2
    provider.trunk.stop(provider.net.now)
    provider.net.run(1000.0)
    assert provider.expires == ["600", "600", "0"]
    provider.net.assert_empty()


def test_start_while_unregistering_registers_again() -> None:
    provider = Provider(granting(100))
    provider.start(1.0)
    provider.trunk.stop(provider.net.now)
    provider.start(1.0)
    assert provider.trunk.state is REGISTERED
    assert provider.expires == ["600", "0", "600"]


def test_start_twice_registers_once() -> None:
    provider = Provider(granting(100))
    provider.trunk.start(provider.net.now)
    provider.start(1.0)
    provider.start(1.0)
    assert len(provider.seen) == 1


# ---- OPTIONS


class Trunk:
    """A pings B."""

    def __init__(self, failures: int = 2) -> None:
        self.net = Net()
        self.told: list[tuple[float, bool]] = []
        began = self.net.now
        self.ping = Ping(
            self.net.a.ua,
            "sip:10.0.0.2",
            self.net.to_b,
            interval_s=10.0,
            failures=failures,
            on_change=lambda now, up: self.told.append((now - began, up)),
        )

    def dark(self) -> None:
        self.net.verdict = lambda index, data: []


def test_one_answer_is_up() -> None:
    trunk = Trunk()
    trunk.ping.start(trunk.net.now)
    trunk.net.run(35.0)
    assert [up for _, up in trunk.told] == [True]
    assert trunk.net.ladder().count("a OPTIONS") == 4


def test_a_trunk_that_never_answered_is_down_after_the_failures() -> None:
    trunk = Trunk()
    trunk.dark()
    trunk.ping.start(trunk.net.now)
    trunk.net.run(70.0)
    assert trunk.ping.up is None
    trunk.net.run(10.0)
    ((when, up),) = trunk.told
    assert not up
    assert when == pytest.approx(2 * 32.0 + 10.0, abs=0.5)


def test_one_lost_answer_is_not_down() -> None:
    trunk = Trunk()
    trunk.ping.start(trunk.net.now)
    trunk.net.run(9.0)
    trunk.dark()
    trunk.net.run(40.0)
    assert trunk.ping.last_status == 408
    trunk.net.verdict = lambda index, data: [0.001]
    trunk.net.run(30.0)
    assert [up for _, up in trunk.told] == [True]


@pytest.mark.parametrize(
    ("status", "up"), [(404, True), (486, True), (500, True), (408, False), (503, False)]
)
def test_any_answer_but_408_and_503_is_a_sign_of_life(status: int, up: bool) -> None:
    trunk = Trunk(failures=1)
    replies: list[bytes] = []

    def rewrite(index: int, data: bytes) -> list[float]:
        if data.startswith(b"SIP/2.0 "):
            replies.append(b"SIP/2.0 %d X\r\n" % status + data.partition(b"\r\n")[2])
            return []
        return [0.001]

    trunk.net.verdict = rewrite
    trunk.ping.start(trunk.net.now)
    trunk.net.run(0.1)
    trunk.net.a.ua.receive(replies[0], trunk.net.to_b, trunk.net.now)
    trunk.net.run(0.1)
    assert trunk.ping.up is up


def test_stop_sends_no_more_and_says_no_more() -> None:
    trunk = Trunk()
    trunk.ping.start(trunk.net.now)
    trunk.ping.start(trunk.net.now)
    trunk.ping.stop()
    trunk.net.run(100.0)
    assert trunk.told == []
    assert trunk.net.ladder() == ["a OPTIONS", "b 200 OPTIONS"]
    trunk.net.assert_empty()
