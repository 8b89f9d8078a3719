"""What is counted while a simulation runs."""

from __future__ import annotations

from array import array

__all__ = ["AgentTally", "QueueTally"]


class QueueTally:
    """A queue's counts; waits in seconds, of this queue alone."""

    __slots__ = (
        "abandoned",
        "abandoned_wait_s",
        "answered",
        "answered_within",
        "blocked",
        "handle_s",
        "handled",
        "left",
        "moved",
        "offered",
        "short_abandons",
        "short_s",
        "threshold_s",
        "wait_s",
        "waited",
        "waits",
    )

    def __init__(self, threshold_s: float, short_s: float) -> None:
        self.threshold_s = threshold_s
        self.short_s = short_s
        self.offered = 0
        self.answered = 0
        self.answered_within = 0
        self.waited = 0
        """Answered, but not at once."""
        self.wait_s = 0.0
        """Of those who were answered, together."""
        self.waits: array[float] = array("d")
        """Of those who were answered, each."""
        self.abandoned = 0
        self.short_abandons = 0
        self.abandoned_wait_s = 0.0
        self.blocked = 0
        self.moved = 0
        """To another queue."""
        self.left = 0
        """Neither answered nor abandoned: timed out, nobody there …"""
        self.handled = 0
        self.handle_s = 0.0
        """Talk, hold and after-call work."""

    def add(self, other: QueueTally) -> None:
        """Take in the counts of a later time."""
        self.offered += other.offered
        self.answered += other.answered
        self.answered_within += other.answered_within
        self.waited += other.waited
        self.wait_s += other.wait_s
        self.waits.extend(other.waits)
        self.abandoned += other.abandoned
        self.short_abandons += other.short_abandons
        self.abandoned_wait_s += other.abandoned_wait_s
        self.blocked += other.blocked
        self.moved += other.moved
        self.left += other.left
        self.handled += other.handled
        self.handle_s += other.handle_s

    def answer(self, wait_s: float) -> None:
        """One was answered."""
        self.answered += 1
        self.wait_s += wait_s
        self.waits.append(wait_s)
        if wait_s > 0.0:
            self.waited += 1
        if wait_s <= self.threshold_s:
            self.answered_within += 1

    def abandon(self, wait_s: float) -> None:
        """One hung up."""
        self.abandoned += 1
        self.abandoned_wait_s += wait_s
        if wait_s < self.short_s:
            self.short_abandons += 1


class AgentTally:
    """An agent's seconds by state, and what he handled."""

    __slots__ = ("answered", "handle_s", "handled", "seconds")

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.answered = 0
        self.handled = 0
        self.handle_s = 0.0

    def spend(self, state: str, seconds: float) -> None:
        """Book time in a state."""
        self.seconds[state] = self.seconds.get(state, 0.0) + seconds
