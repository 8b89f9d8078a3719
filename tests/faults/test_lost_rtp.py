"""RTP that gets lost between a PJSIP phone and the switch: the call lives, the figures tell it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import generate_latest

from cicswitch.api.metrics import registry_of
from cicswitch.api.snapshot import quality_of
from cicswitch.calls import events as ev
from cicswitch.records.scores import BOUNDS
from cicswitch.rtp.quality import mos, rating
from cicswitch.terminal.trace import draw_quality, with_kept
from tests.support.center import center
from tests.support.lossy import Link, link
from tests.support.phone import phone
from tests.support.ports import free_port
from tests.support.sound import RATE_HZ, longest_tone, read_wav, write_tone

pytestmark = [pytest.mark.interop, pytest.mark.realtime]

EVERY = 10
"""One packet in so many is lost, by the sequence number: the same ones in every run."""


def lose_every_tenth(up: bool, data: bytes) -> bool:
    """RTP whose sequence number ends so; RTCP (types 200 to 204) passes."""
    return not 200 <= data[1] <= 204 and int.from_bytes(data[2:4], "big") % EVERY == 0


def lost_and_passed(line: Link, up: bool) -> tuple[int, int]:
    return line.rtp_lost[up], line.rtp_passed[up]


async def test_lost_rtp_shows_in_figures_and_recording_and_the_call_lives_on(
    tmp_path: Path,
) -> None:
    low, high = write_tone(tmp_path / "440.wav", 440), write_tone(tmp_path / "620.wav", 620)
    own, rtp = free_port(), 4000 + free_port() % 12_000 // 10 * 10
    async with (
        center(tmp_path) as c,
        phone("1001", c.server, "--answer-after", "0", "--play", str(high)) as agent,
        link(("127.0.0.2", own), "127.0.0.4", ("127.0.0.1", c.port), "127.0.0.5") as line,
        phone(
            *("2001", f"127.0.0.5:{c.port}", "--bind", "127.0.0.2", "--port", str(own)),
            *("--rtp-port", str(rtp), "--play", str(low)),
            register=False,
        ) as customer,
    ):
        line.carries_rtp = True
        line.lose_rtp = lose_every_tenth
        customer.do("call", to="5000")
        bridged = await c.event(ev.Bridged)
        await c.until(lambda: c.switch.clock.now() > bridged.at + 6)
        assert c.state("kim") == "talking"
        await c.until(
            lambda: (
                [each["far_lost"] is not None for each in quality_of(c.switch, bridged.interaction)]
                == [True, True]
            ),
            15,
        )
        live = {each["leg"]: each for each in quality_of(c.switch, bridged.interaction)}
        assert len(live) == 2
        assert all(each["live"] for each in live.values())
        customer.do("hangup")
        heard = (await customer.expect("disconnected"))["rtp"]
        await agent.expect("disconnected")
        recorded = await c.event(ev.RecordingEnded)
        await c.all_empty()
        legs = {row["direction"]: row for row in await c.rows("leg")}
        text = generate_latest(registry_of(c.switch)).decode()
        store = c.switch.config.path(c.switch.config.store.path)
        drawn = draw_quality(with_kept(store, bridged.interaction, [])).split("\n")

    # What the customer sent and what got through is what the switch says of his leg.
    lost, passed = lost_and_passed(line, up=True)
    assert lost > 20
    # One before the first that came, and one after the last, are not expected by who receives.
    assert abs(legs["in"]["packets_lost"] - lost) <= 2
    assert abs(legs["in"]["packets_received"] - passed) <= 10  # the link counts RTCP too
    check_quality(legs["in"], lost / (lost + passed))
    before = live[legs["in"]["leg"]]
    assert 0 < before["packets_lost"] <= legs["in"]["packets_lost"]
    assert (before["codec"], before["peer"]) == (legs["in"]["codec"], legs["in"]["peer"])
    assert f"lost {legs['in']['packets_lost']} ({legs['in']['far_lost']})" in drawn[0]
    assert f"MOS {legs['in']['mos']:.2f}" in drawn[0]
    assert len(drawn) == 2
    # Both legs lead to devices: one of them sounds badly, by its worse direction.
    assert 'cicswitch_leg_mos_count{peer="device"} 2.0' in text
    bad = min(legs["in"]["mos"], legs["in"]["far_mos"])
    bound = next(each for each in BOUNDS if bad <= each)
    assert f'cicswitch_leg_mos_bucket{{le="{bound}",peer="device"}} 0.0' not in text
    # The other way PJSIP counts it, by the same sequence numbers: they are relayed with their gaps.
    lost, _ = lost_and_passed(line, up=False)
    assert lost > 20
    assert abs(heard["packets_lost"] - lost) <= 2
    # As of PJSIP's last report, which is up to five seconds older than its own count.
    assert lost / 5 < legs["in"]["far_lost"] <= lost
    # The agent is sent what came from the customer, and lost nothing of his own.
    assert legs["out"]["packets_lost"] == 0

    left, right = read_wav(Path(recorded.path))
    # The customer's channel has a hole of 20 ms in every 200, and no sound is moved by it.
    seconds, gap_ms = longest_tone(left, 440)
    assert seconds > 5
    assert gap_ms <= 40
    assert silent_share(left, seconds) == pytest.approx(1 / EVERY, abs=0.03)
    seconds, gap_ms = longest_tone(right, 620)
    assert seconds > 5
    assert gap_ms <= 40
    assert silent_share(right, seconds) < 0.02


def check_quality(leg: dict[str, Any], share: float) -> None:
    """The scores of a leg are those of its own figures, and of the loss that is known."""
    known = mos(rating(leg["codec"], share, leg["jitter_ms"], leg["rtt_ms"]))
    assert leg["mos"] == pytest.approx(known, abs=0.1)
    assert leg["mos"] < 3.5
    share = leg["far_lost"] / leg["packets_sent"]
    known = mos(rating(leg["codec"], share, leg["far_jitter_ms"], leg["rtt_ms"]))
    assert leg["far_mos"] == pytest.approx(known, abs=0.01)


def silent_share(
    samples: np.ndarray[tuple[int, ...], np.dtype[np.float64]], seconds: float
) -> float:
    """The share of silent milliseconds, from the first sound on."""
    piece = RATE_HZ // 1000
    pieces = np.abs(samples[: len(samples) // piece * piece]).reshape(-1, piece).max(axis=1)
    first = int(np.flatnonzero(pieces > 200)[0])
    heard = pieces[first : first + int(seconds * 1000)]
    return float((heard < 200).mean())
