from hypothesis import given
from hypothesis import strategies as st

from cicswitch.core.timers import TimerWheel


def test_a_timer_fires_once_and_never_early() -> None:
    wheel, fired = TimerWheel(), []
    wheel.at(1.0, lambda now, name: fired.append((now, name)), "a")
    wheel.fire(0.999)
    assert fired == []
    wheel.fire(1.02)
    wheel.fire(2.0)
    assert fired == [(1.02, "a")]
    assert len(wheel) == 0


def test_a_cancelled_timer_does_not_fire_even_from_its_own_slot() -> None:
    wheel, fired = TimerWheel(), []
    wheel.at(1.0, lambda now: second.cancel())
    second = wheel.at(1.0, lambda now: fired.append("second"))
    assert wheel.fire(2.0) == 1
    assert fired == []


def test_a_callback_may_set_a_timer_that_is_already_due() -> None:
    wheel, fired = TimerWheel(), []

    def set_late(now: float) -> None:
        wheel.at(0.5, lambda now: fired.append("late"))

    wheel.at(1.0, set_late)
    wheel.fire(2.0)
    assert fired == ["late"]


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=50), st.floats(0, 120))
def test_all_that_is_due_a_tick_ago_fires_and_nothing_early(
    timers: list[tuple[float, bool]], now: float
) -> None:
    wheel, fired = TimerWheel(tick_s=0.01), []
    for due, cancelled in timers:
        timer = wheel.at(due, lambda _, due: fired.append(due), due)
        if cancelled:
            timer.cancel()
    wheel.fire(now)
    assert all(due <= now for due in fired)
    assert {due for due, cancelled in timers if not cancelled and due <= now - 0.0101} <= set(fired)
