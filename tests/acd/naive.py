"""The ACD as one would first write it: look at everybody, every time.

It knows nothing of profiles, lines, masks or trees. `decide` says who gets what; the fast engine
has to agree with it (test_reference).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cicswitch.acd import commands as c
from cicswitch.acd.skills import Need, all_of, levels, parse


@dataclass
class Person:
    name: str
    skills: dict[str, int]
    desire: dict[str, int]
    cost: float
    tie: int
    free_since: float = 0.0
    signed_in_at: float = 0.0
    busy_s: float = 0.0
    busy_since: float = 0.0
    answered: int = 0
    offered: int = 0
    ready: bool = False
    away: str = "offline"
    """What he does while he is not ready."""
    work: str = ""


@dataclass
class Contact:
    name: str
    queue: c.DefineQueue
    need: Need
    priority: int
    queued_at: float
    number: int
    agents: list[str] = field(default_factory=list)
    """At whom it rings, or who has answered it."""
    rung: set[str] = field(default_factory=set)
    answered: bool = False
    looked_at: bool = False
    away: bool = False
    closing: bool = False

    @property
    def agent(self) -> str:
        return self.agents[0] if self.agents else ""


@dataclass
class Naive:
    """Voice calls only, no rings: what the policies decide, and nothing else."""

    people: dict[str, Person] = field(default_factory=dict)
    queues: dict[str, c.DefineQueue] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    decisions: list[tuple[str, str]] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    policy: Callable[[str, list[str]], str | None] | None = None
    governed: tuple[str, ...] = ()
    """Queues of the policy."""
    count: int = 0
    offers: int = 0
    left: int = 0
    joined: int = 0
    passed: int = 0

    # -- the two choices -------------------------------------------------------------------------

    def may(self, person: Person, contact: Contact) -> bool:
        if not person.ready or person.work:
            return False
        members = contact.queue.agents
        return (not members or person.name in members) and contact.need.meets(person.skills)

    def best_person(self, contact: Contact, now: float) -> Person | None:
        able = [person for person in self.people.values() if self.may(person, contact)]
        return min(able, key=lambda p: self.rank(p, contact, now)) if able else None

    def rank(self, p: Person, contact: Contact, now: float) -> tuple[Any, ...]:
        idle = (p.free_since, p.tie)
        match contact.queue.select:
            case "round-robin":
                return (p.offered, *idle)
            case "fewest-answered":
                return (p.answered, *idle)
            case "least-occupied":
                signed_in_s = p.free_since - p.signed_in_at
                return (p.busy_s / signed_in_s if signed_in_s > 0 else 0.0, *idle)
            case "most-skilled":
                return (-contact.need.score(p.skills), *idle)
            case "least-skilled":
                return (sum(p.skills.values()), *idle)
            case "weighted":
                w = contact.queue.weights
                points = w.proficiency * contact.need.score(p.skills) - w.cost * p.cost
                points += w.desire * sum(p.desire.get(s, 0) for s in contact.need.skills())
                return (-(points + w.idle * (now - p.free_since)), *idle)
        return idle

    def best_contact(self, person: Person, now: float) -> Contact | None:
        able = [
            x for x in self.contacts.values() if not x.agent and not x.away and self.may(person, x)
        ]
        return min(able, key=lambda x: self.urgency(x, now)) if able else None

    def urgency(self, x: Contact, now: float) -> tuple[Any, ...]:
        q, waited = x.queue, now - x.queued_at
        if q.bound_s and waited >= q.bound_s:
            return (0, -(waited - q.bound_s), x.number)
        return (1, -self.points(x, now), x.number)

    def points(self, x: Contact, now: float) -> float:
        return x.queue.weight * (x.priority + x.queue.ageing * (now - x.queued_at))

    # -- commands --------------------------------------------------------------------------------

    def enqueue(self, k: c.Enqueue, now: float) -> None:
        queue = self.queues[k.queue]
        if queue.queue in self.closed and not k.away:
            return
        need = all_of(levels(queue.skills), parse(queue.require), levels(k.skills))
        self.count += 1
        contact = Contact(
            k.interaction, queue, need, queue.priority + k.priority, k.queued_at, self.count
        )
        if k.away:
            contact.away = True
        elif self.best_person(contact, now) is None and self.nobody(contact, queue.join_empty):
            return
        self.contacts[k.interaction] = contact
        if not k.away:
            self.place(contact, now)

    def does(self, person: Person) -> str:
        if person.work:
            return "interacting" if self.contacts[person.work].answered else "alerting"
        return "idle" if person.ready else person.away

    def nobody(self, contact: Contact, absent: bool | tuple[str, ...]) -> bool:
        """Whether all who could serve a contact do what counts as nobody."""
        if isinstance(absent, bool):
            return False
        members = contact.queue.agents
        return all(
            self.does(p) in ("offline", *absent)
            for p in self.people.values()
            if (not members or p.name in members) and contact.need.meets(p.skills)
        )

    def leave_empty(self) -> None:
        """After every command."""
        for x in list(self.contacts.values()):
            if not x.agent and not x.away and self.nobody(x, x.queue.leave_empty):
                del self.contacts[x.name]
                self.left += 1

    def join(self, name: str, now: float) -> None:
        contact = self.contacts[name]
        contact.away = False
        self.place(contact, now)

    def place(self, contact: Contact, now: float) -> None:
        able = [person for person in self.people.values() if self.may(person, contact)]
        able.sort(key=lambda p: self.rank(p, contact, now))
        if able and self.policy is not None and contact.queue.queue in self.governed:
            chosen = self.policy(contact.name, [p.name for p in able])
            able = [p for p in able if p.name == chosen] or able
        for person in able[: contact.queue.offer_to]:
            self.offer(contact, person, now)

    def fill(self, contact: Contact, now: float) -> None:
        """Others who are free ring too, up to the number."""
        able = [p for p in self.people.values() if self.may(p, contact)]
        for person in sorted(able, key=lambda p: self.rank(p, contact, now)):
            if self.short(contact) and person.name not in contact.rung:
                self.offer(contact, person, now)

    def short(self, x: Contact) -> bool:
        ringing = bool(x.agents) and not x.answered and not x.looked_at
        return ringing and len(x.agents) < x.queue.offer_to

    def offer(self, contact: Contact, person: Person, now: float) -> None:
        self.offers += 1
        contact.agents.append(person.name)
        contact.rung.add(person.name)
        person.work, person.offered = contact.name, self.offers
        person.busy_since = now
        self.decisions.append((contact.name, person.name))

    def look(self, person: Person, now: float) -> None:
        if person.ready and not person.work:
            contact = self.best_contact(person, now)
            if contact is not None:
                self.offer(self.asked(contact, person, now), person, now)
                return
            rings = [x for x in self.contacts.values() if self.short(x)]
            for x in sorted(rings, key=lambda x: (-self.points(x, now), x.number)):
                if person.name not in x.rung and self.may(person, x):
                    self.offer(x, person, now)
                    self.joined += 1

    def asked(self, first: Contact, person: Person, now: float) -> Contact:
        """A policy that would rather wait gives him the next one of another line."""
        able = [x for x in self.contacts.values() if not x.agent and not x.away]
        able = [x for x in able if self.may(person, x)]
        while able:
            x = min(able, key=lambda x: self.urgency(x, now))
            governed = self.policy is not None and x.queue.queue in self.governed
            if not governed or (x.queue.bound_s and now - x.queued_at >= x.queue.bound_s):
                return x
            assert self.policy is not None
            if self.policy(x.name, [person.name]) is not None:
                return x
            self.passed += 1
            line = (x.queue.queue, x.need.key)
            able = [y for y in able if (y.queue.queue, y.need.key) != line]
        return first

    def put_down(self, person: Person, now: float) -> None:
        person.work = ""
        person.busy_s += now - person.busy_since

    def leave(self, name: str, now: float) -> None:
        contact = self.contacts.pop(name)
        self.let_go(contact.agents, now)

    def let_go(self, names: list[str], now: float) -> None:
        for name in names:
            self.put_down(self.people[name], now)
        for name in names:
            self.look(self.people[name], now)

    def preview(self, name: str, now: float) -> None:
        """Of the first at whom it rings."""
        contact = self.contacts[name]
        contact.looked_at = True
        others = contact.agents[1:]
        del contact.agents[1:]
        self.let_go(others, now)

    def close(self, name: str, now: float) -> None:
        self.closed.add(name)
        if self.queues[name].at_close == "leave":
            for contact in list(self.contacts.values()):
                if contact.queue.queue != name or contact.away or contact.answered:
                    continue
                if contact.agent:
                    contact.closing = True
                else:
                    del self.contacts[contact.name]

    def open(self, name: str) -> None:
        self.closed.remove(name)

    def accept(self, name: str, now: float) -> None:
        contact = self.contacts[name]
        contact.answered = True
        self.people[contact.agent].answered += 1
        others = contact.agents[1:]
        del contact.agents[1:]
        self.let_go(others, now)

    def reject(self, name: str, now: float) -> None:
        """The agent has to say that he is ready again."""
        contact = self.contacts[name]
        person = self.people[contact.agents.pop(0)]
        self.put_down(person, now)
        person.ready, person.free_since, person.away = False, now, "not-responding"
        if contact.agents:
            self.fill(contact, now)
            return
        contact.rung.clear()
        contact.looked_at = False
        self.place(contact, now)
        if not contact.agents and contact.closing and contact.queue.queue in self.closed:
            del self.contacts[name]

    def finish(self, name: str, now: float) -> None:
        person = self.people[self.contacts.pop(name).agent]
        self.put_down(person, now)
        person.free_since = now
        self.look(person, now)

    def ready(self, name: str, now: float) -> None:
        person = self.people[name]
        person.ready, person.free_since = True, now
        self.look(person, now)

    def sign_in(self, name: str, now: float) -> None:
        person = self.people[name]
        person.signed_in_at, person.busy_s, person.answered = now, 0.0, 0
        self.ready(name, now)

    def pause(self, name: str, now: float) -> None:
        """Only of one who has nothing in hand."""
        self.people[name].ready = False
        self.people[name].away = "paused"
