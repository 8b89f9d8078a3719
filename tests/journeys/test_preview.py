"""What an agent hears before the customer: a zip tone, and the preview."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import pytest

from cicswitch import ports
from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.calls import events as ev
from cicswitch.calls.reason import Reason
from cicswitch.config import check
from cicswitch.core.errors import ResourceError
from cicswitch.records.journal import decode_batch
from cicswitch.records.replay import replay
from cicswitch.store.journal import batches
from cicswitch.store.reader import reading
from tests.operation.test_keys import Parties, parties, queued
from tests.support.center import center
from tests.support.phone import phone
from tests.support.sound import longest_tone, read_wav, write_tone
from tests.support.wire import header

AGENTS = """
[agent.a]
device = "far:7001"
signed_in = true
auto_answer = {}
[agent.b]
device = "far:7002"
signed_in = true
[queue.q]
agents = ["a", "b"]
record = false
ring_s = 1
"""


class Played:
    """The media plane, and what each leg was played."""

    def __init__(self, p: Parties, *, mute: bool = False) -> None:
        self._plane = p.c.switch.media
        self._mute = mute
        self.plays: list[tuple[str, str, list[ports.MediaSource]]] = []
        conductor: Any = p.c.switch.conductor
        conductor.env.media = self

    def play(self, leg: str, play_id: str, sources: Any, **more: Any) -> None:
        self.plays.append((leg, play_id, list(sources)))
        if not self._mute:
            self._plane.play(leg, play_id, sources, **more)

    def of(self, leg: str) -> list[ports.MediaSource]:
        return [source for to, _, sources in self.plays if to == leg for source in sources]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plane, name)


class Speaker:
    """Says a short tone, and remembers the text."""

    def __init__(self, p: Parties, path: Path, *, fails: bool = False) -> None:
        self.said: list[str] = []
        self.path, self.fails = path, fails
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(b"\0\0" * 800)
        conductor: Any = p.c.switch.conductor
        conductor.env.speech = self

    async def synthesize(self, text: str, language: str) -> Path:
        self.said.append(text)
        if self.fails:
            raise ResourceError("nobody speaks")
        return self.path


def preview(seconds: int, more: str = "", *, auto_answer: bool = False) -> str:
    return AGENTS.format(str(auto_answer).lower()) + f"preview_s = {seconds}\n{more}\n"


async def rung(p: Parties) -> tuple[str, str]:
    """A customer waits and agent a's phone rings: the customer's Call-ID, and the INVITE."""
    p.c.command(acd.Pause("b", ""))
    call = await queued(p)
    return call, await p.far.expect("INVITE sip:7001@")


async def looking(p: Parties) -> Any:
    """Agent a has answered and hears who it is: the call."""
    _, invite = await rung(p)
    p.far.reply(invite, "200 OK", body=p.far.sdp("0"))
    await p.far.expect("ACK ")
    began = await p.c.event(acd_events.PreviewBegan)
    return p.c.switch.calls[began.interaction]


async def test_a_device_that_answers_by_itself_is_asked_to_and_its_agent_hears_a_beep(
    tmp_path: Path,
) -> None:
    async with parties(tmp_path, extra=AGENTS.format("true")) as p:
        played = Played(p)
        _, invite = await rung(p)
        assert header(invite, "Answer-Mode") == "Auto"
        assert header(invite, "Call-Info").endswith(">;answer-after=0")
        assert header(invite, "Alert-Info").endswith(">;info=alert-autoanswer")
        p.far.reply(invite, "200 OK", body=p.far.sdp("0"))
        bridged = await p.c.event(ev.Bridged)
        (beep,) = played.of(bridged.b)
        assert beep.tone_hz
        kinds = [type(event) for event in p.c.events]
        assert kinds.index(acd_events.PreviewBegan) < kinds.index(acd_events.InteractionConnected)
        assert p.c.state("a") == "talking"


async def test_another_device_is_not_asked_to(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=AGENTS.format("false")) as p:
        _, invite = await rung(p)
        for name in ("Answer-Mode", "Call-Info", "Alert-Info"):
            assert f"\n{name}:" not in invite
        p.far.reply(invite, "200 OK", body=p.far.sdp("0"))
        await p.c.event(ev.Bridged)
        assert not [e for e in p.c.events if isinstance(e, acd_events.PreviewBegan)]


async def test_an_agent_is_told_who_it_is_and_silence_takes_him(tmp_path: Path) -> None:
    extra = preview(1, 'preview_say = "{queue}, {caller}!"', auto_answer=True)
    async with parties(tmp_path, extra=extra) as p:
        speaker, played = Speaker(p, tmp_path / "said.wav"), Played(p)
        call = await looking(p)
        leg = call.preview.leg.id
        assert p.c.state("a") == "alerting"
        bridged = await p.c.event(ev.Bridged)
        assert speaker.said == ["q, 0 2 9 9 9 9 0 0 0 0!"]
        beep, text = played.of(leg)
        assert (bool(beep.tone_hz), text.path) == (True, str(tmp_path / "said.wav"))
        assert not [
            source
            for to, _, s in played.plays
            if to == call.customer.id
            for source in s
            if source.path == text.path
        ]
        assert (bridged.b, call.preview, call.offers) == (leg, None, {})
        # ring_s = 1 is over: the offer has not timed out.
        outcomes = [e.outcome for e in p.c.events if isinstance(e, acd_events.ReservationEnded)]
        assert outcomes == ["accepted"]
    with reading(p.c.switch.place) as db:
        (run,) = replay(event for data in batches(db) for event in decode_batch(data))
    assert run.same, run


async def test_one_takes_the_call_at_once(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=preview(300)) as p:
        Speaker(p, tmp_path / "said.wav")
        call = await looking(p)
        p.c.switch.conductor.post(ports.MediaDtmf(call.customer.id, "1", 100, False))
        p.c.switch.conductor.post(ports.MediaDtmf(call.preview.leg.id, "5", 100, False))
        assert call.preview is not None  # neither the customer's key nor another one
        p.c.switch.conductor.post(ports.MediaDtmf(call.preview.leg.id, "1", 100, False))
        await p.c.event(ev.Bridged)
        assert p.c.state("a") == "talking"


async def test_two_declines_and_the_next_agent_gets_it(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=preview(300)) as p:
        Speaker(p, tmp_path / "said.wav")
        call = await looking(p)
        p.c.command(acd.Ready("b"))
        p.c.switch.conductor.post(ports.MediaDtmf(call.preview.leg.id, "2", 100, False))
        p.c.switch.sip.pump()
        await p.far.expect("BYE ")
        await p.far.expect("INVITE sip:7002@")
        ended = await p.c.event(acd_events.ReservationEnded)
        assert (ended.agent, ended.outcome) == ("a", "rejected")
        assert call.preview is None


async def test_hanging_up_declines_too(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=preview(300)) as p:
        Speaker(p, tmp_path / "said.wav")
        call = await looking(p)
        call.preview.leg.end(p.c.switch.clock.now(), Reason.NORMAL)
        p.c.switch.sip.pump()
        ended = await p.c.event(acd_events.ReservationEnded)
        assert (ended.outcome, call.preview, call.ringing) == ("rejected", None, {})


async def test_a_customer_who_hangs_up_frees_the_agent_at_once(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=preview(300)) as p:
        Speaker(p, tmp_path / "said.wav")
        call = await looking(p)
        p.c.switch.hangup(call)
        p.c.switch.sip.pump()
        p.far.reply(await p.far.expect("BYE "), "200 OK")
        assert p.c.state("a") == "idle"
        assert call.preview is None
        p.near.reply(await p.near.expect("BYE "), "200 OK")
        await p.c.empty()


async def test_an_agent_who_pauses_is_let_go(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=preview(300)) as p:
        Speaker(p, tmp_path / "said.wav")
        call = await looking(p)
        p.c.switch.command(acd.Pause("a", "meal"))
        await p.far.expect("BYE ")
        assert (call.preview, p.c.state("a")) == (None, "paused")


async def test_a_preview_that_hears_nothing_of_its_end_is_over_some_time(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=preview(5)) as p:
        Speaker(p, tmp_path / "said.wav")
        Played(p, mute=True)
        call = await looking(p)
        (offer,) = p.c.switch.engine.reservations.values()
        assert offer.timer is not None
        left_s = offer.timer.due - p.c.switch.clock.now()
        assert 60 < left_s < 70
        engine = p.c.switch.engine
        engine.advance(p.c.switch.clock.now() + 70)
        p.c.switch.conductor.pump()
        assert (call.preview, p.c.state("a")) == (None, "not-responding")


async def test_who_cannot_be_told_hears_a_beep(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=preview(1)) as p:
        Speaker(p, tmp_path / "said.wav", fails=True)
        played = Played(p)
        call = await looking(p)
        leg = call.preview.leg.id
        await p.c.event(ev.Bridged)
        assert [bool(source.tone_hz) for source in played.of(leg)] == [True]
        failed = await p.c.event(ev.AnnouncementFailed)
        assert failed.error == "nobody speaks"


async def test_a_prompt_may_be_what_is_heard(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=preview(300, 'preview_prompt = "goodbye"')) as p:
        played = Played(p)
        call = await looking(p)
        (source,) = played.of(call.preview.leg.id)
        assert source.path.endswith("prompts/en/goodbye.wav")


async def test_of_several_agents_the_one_who_looks_stops_the_other_phones(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=preview(300, "offer_to = 2")) as p:
        Speaker(p, tmp_path / "said.wav")
        await queued(p)
        first = await p.far.expect("INVITE sip:7001@")
        second = await p.far.expect("INVITE sip:7002@")
        p.far.reply(first, "180 Ringing")
        p.far.reply(second, "180 Ringing")
        p.far.reply(second, "200 OK", body=p.far.sdp("0"))
        await p.far.expect("CANCEL sip:7001@")
        await p.c.event(acd_events.PreviewBegan)
        assert (p.c.state("a"), p.c.state("b")) == ("idle", "alerting")


@pytest.mark.interop
async def test_with_a_phone_the_preview_is_heard_and_its_keys_work(tmp_path: Path) -> None:
    high, heard = write_tone(tmp_path / "620.wav", 620), tmp_path / "agent.wav"
    extra = '[queue.p]\nagents = ["kim"]\npreview_s = 200\npreview_prompt = "long"\n'
    own = tmp_path / "mine/prompts/en/long.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(write_tone(tmp_path / "440.wav", 440).read_bytes())
    plan = '[[route]]\nflow = "f"\n[[flow.f]]\ndo = "queue"\nqueue = "p"\n'
    async with center(tmp_path, extra=extra, plan=plan, functions={}) as c:
        c.switch.conductor.env.prompt = lambda name, language: own if name == "long" else None
        async with (
            phone("1001", c.server, "--answer-after", "0.2", "--record", str(heard)) as agent,
            phone("2001", c.server, "--play", str(high)) as customer,
        ):
            customer.do("call", to="5000")
            began = await c.event(acd_events.PreviewBegan)
            await c.until(lambda: c.switch.clock.now() > began.at + 2)
            agent.do("dtmf", digits="1")
            bridged = await c.event(ev.Bridged)
            await c.until(lambda: c.switch.clock.now() > bridged.at + 2)
            customer.do("hangup")
            await agent.expect("disconnected")
            await c.empty()
    samples = read_wav(heard)[0]
    assert longest_tone(samples, 440)[0] > 1.0
    assert longest_tone(samples, 620)[0] > 1.0


@pytest.mark.parametrize(
    ("lines", "finding"),
    [
        ('preview_say = "{queue}"', "queue.q.preview_say: found no preview_s"),
        (
            'preview_s = 5\npreview_say = "{que}"',
            'found "que", expected a variable (called, caller',
        ),
        (
            'preview_s = 5\npreview_say = "x"\npreview_prompt = "x"',
            "queue.q.preview_say: found preview_prompt too, expected one of them",
        ),
        ("preview_s = 999", "found 999, expected a whole number from 0 to 300"),
    ],
)
def test_a_mistake_in_a_preview_is_found(tmp_path: Path, lines: str, finding: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"dialplans = []\n[queue.q]\n{lines}\n")
    (found,) = [str(each) for each in check(file)]
    assert finding in found
