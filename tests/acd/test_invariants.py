"""Any commands in any order: the invariants hold after every step, and nothing is lost."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.engine import Engine
from cicswitch.acd.interaction import InteractionState
from cicswitch.acd.invariants import breaches
from cicswitch.acd.queue import ABSENT, SELECTIONS
from cicswitch.core.errors import CommandError
from tests.acd.test_engine import Floor, agents, call, queue

AGENTS = st.sampled_from(["a", "b", "c", "d"])
QUEUES = st.sampled_from(["p", "q", "r"])
MEDIA = st.sampled_from(["voice", "voice", "callback", "chat", "email"])
SKILLS = st.dictionaries(st.sampled_from(["en", "ko"]), st.integers(1, 100), max_size=2)
EXPRESSIONS = st.sampled_from(["", "en or ko >= 50", "not ko", "en >= 30 and not (ko or vip)"])
RULES = st.dictionaries(
    st.sampled_from(["timed-out", "rejected", "busy", "unreachable"]),
    st.builds(
        c.FailRule,
        then=st.sampled_from(["not-responding", "pause", "rest"]),
        seconds=st.sampled_from([0.0, 5.0]),
    ),
    max_size=2,
)
EMPTY = st.booleans() | st.lists(
    st.sampled_from(sorted(ABSENT)), min_size=1, max_size=3, unique=True
).map(tuple)
RINGS = st.lists(
    st.builds(
        c.Ring,
        after_s=st.sampled_from([0.0, 3.0, 12.0]),
        ewt_s=st.sampled_from([0.0, 0.0, 60.0]),
        unstaffed=st.booleans(),
        skills=st.dictionaries(st.sampled_from(["en", "ko"]), st.integers(0, 50), max_size=2),
        agents=st.lists(AGENTS, max_size=1).map(tuple),
        priority=st.integers(0, 9),
        queue=st.sampled_from(["", "", "p", "q", "r"]),
    ),
    max_size=3,
).map(tuple)


class AnyCommands(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine(check=True)
        self.now = 0.0
        self.count = 0
        self.open: set[str] = set()
        self.reserved: dict[int, tuple[str, str]] = {}
        self.states: dict[str, tuple[str, float]] = {}

    def do(self, command: c.Command) -> None:
        self.engine.advance(self.now)
        self.look()
        try:
            self.engine.handle(command, self.now)
        except CommandError:
            assert self.engine.take_events() == []
            return
        self.look()
        if isinstance(command, c.RemoveAgent):
            assert self.states.pop(command.agent, ("offline", 0.0))[0] == "offline"

    def look(self) -> None:
        for event in self.engine.take_events():
            match event:
                case e.InteractionQueued():
                    self.open.add(event.interaction)
                case e.InteractionLeft() | e.InteractionHandled():
                    self.open.remove(event.interaction)
                case e.InteractionTaken():
                    self.open.add(event.interaction)  # who had it has handled it; it goes on
                case e.Reserved():
                    assert event.reservation not in self.reserved
                    offer = (event.agent, event.interaction)
                    assert offer not in self.reserved.values()
                    self.reserved[event.reservation] = offer
                case e.ReservationEnded():
                    offer = (event.agent, event.interaction)
                    assert self.reserved.pop(event.reservation) == offer
                case e.AgentChanged():
                    state, since = self.states.get(event.agent, ("offline", 0.0))
                    if event.agent in self.states:
                        assert event.previous == state
                        assert abs(event.at - since - event.spent_s) < 1e-6
                    self.states[event.agent] = (event.state, event.at)
                case e.InvariantBroken():
                    raise AssertionError(event)

    @initialize()
    def begin(self) -> None:
        for name in ("p", "q"):
            self.do(c.DefineQueue(queue=name))
        for agent in ("a", "b"):
            self.do(c.DefineAgent(agent=agent, skills={"en": 40}))
            self.do(c.SignIn(agent))

    @rule(
        name=QUEUES,
        skills=SKILLS,
        require=EXPRESSIONS,
        members=st.sets(AGENTS, max_size=2),
        select=st.sampled_from(SELECTIONS),
        ageing=st.sampled_from([0.0, 0.5, 2.0]),
        limits=st.tuples(st.integers(0, 3), st.integers(0, 20)),
        flags=st.tuples(st.booleans(), st.booleans()),
        empty=st.tuples(EMPTY, EMPTY),
        offer_to=st.integers(1, 3),
        bound_s=st.sampled_from([0.0, 0.0, 4.0]),
        goal=st.sampled_from([0.0, 0.8]),
        weights=st.builds(c.Weights, idle=st.sampled_from([0.0, 1.0]), cost=st.just(1.0)),
        rules=RULES,
        rings=RINGS,
    )
    def define_queue(
        self,
        name: str,
        skills: dict[str, int],
        require: str,
        members: set[str],
        select: str,
        ageing: float,
        limits: tuple[int, int],
        flags: tuple[bool, bool],
        empty: tuple[bool | tuple[str, ...], bool | tuple[str, ...]],
        offer_to: int,
        bound_s: float,
        goal: float,
        weights: c.Weights,
        rules: dict[str, c.FailRule],
        rings: tuple[c.Ring, ...],
    ) -> None:
        self.do(
            c.DefineQueue(
                queue=name,
                skills=skills,
                require=require,
                agents=tuple(sorted(members)),
                select=select,
                weights=weights,
                offer_to=offer_to,
                ageing=ageing,
                bound_s=bound_s,
                goal=goal,
                max_waiting=limits[0],
                max_wait_s=limits[1],
                join_empty=empty[0],
                leave_empty=empty[1],
                at_close="leave" if flags[1] else "stay",
                exhausted="leave" if flags[0] else "wait",
                wrap_up_s=limits[1],
                wrap_up={"chat": 2.0},
                patience_s=5,
                on_fail=rules,
                rings=rings,
                redial_s=20,
            )
        )

    @rule(
        agent=AGENTS,
        skills=SKILLS,
        cost=st.sampled_from([0.0, 3.0]),
        chats=st.integers(0, 3),
    )
    def define_agent(self, agent: str, skills: dict[str, int], cost: float, chats: int) -> None:
        capacity = {"voice": 1, "callback": 1, "email": 2, "chat": chats}
        self.do(c.DefineAgent(agent=agent, skills=skills, cost=cost, capacity=capacity))

    @rule(
        queue=QUEUES,
        medium=MEDIA,
        skills=SKILLS,
        require=EXPRESSIONS,
        priority=st.integers(-5, 5),
        prefer=st.lists(AGENTS, max_size=2).map(tuple),
        customer=st.sampled_from(["", "x", "y"]),
        away_s=st.sampled_from([None, None, 0, 20]),
    )
    def enqueue(
        self,
        queue: str,
        medium: str,
        skills: dict[str, int],
        require: str,
        priority: int,
        prefer: tuple[str, ...],
        customer: str,
        away_s: int | None,
    ) -> None:
        self.count += 1
        self.do(
            c.Enqueue(
                interaction=str(self.count),
                queue=queue,
                medium=medium,
                skills=skills,
                require=require,
                priority=priority,
                prefer=prefer,
                customer=customer,
                away=away_s is not None,
                timeout_s=away_s or 0,
            )
        )

    @rule(number=st.integers(0, 5), prefer=st.lists(AGENTS, max_size=2).map(tuple))
    def join(self, number: int, prefer: tuple[str, ...]) -> None:
        for interaction in sorted(self.open)[number : number + 1]:
            self.do(c.Join(interaction=interaction, prefer=prefer, patience_s=5))

    @rule(
        agent=AGENTS,
        kind=st.sampled_from(
            [c.SignIn, c.SignIn, c.SignOut, c.Ready, c.Seize, c.Free, c.RemoveAgent]
        ),
    )
    def agent_command(self, agent: str, kind: type) -> None:
        self.do(kind(agent))

    @rule(agent=AGENTS)
    def pause(self, agent: str) -> None:
        self.do(c.Pause(agent, "break"))

    @rule(agent=AGENTS, done=st.booleans())
    def wrap_up(self, agent: str, done: bool) -> None:
        self.do(c.WrapUp(agent, "done", done))

    @rule(queue=QUEUES, kind=st.sampled_from([c.Open, c.Open, c.Close]))
    def open_or_close(self, queue: str, kind: type) -> None:
        self.do(kind(queue))

    @rule(queue=QUEUES)
    def remove_queue(self, queue: str) -> None:
        self.do(c.RemoveQueue(queue))

    @rule(
        number=st.integers(0, 3),
        answer=st.sampled_from(["accept", "accept", "preview", "rejected", "busy", "unreachable"]),
    )
    def answer(self, number: int, answer: str) -> None:
        for reservation in list(self.reserved)[number : number + 1]:
            if answer == "accept":
                self.do(c.Accept(reservation))
            elif answer == "preview":
                self.do(c.Preview(reservation, 9.0))
            else:
                self.do(c.Reject(reservation, answer))

    @rule(
        number=st.integers(0, 5),
        kind=st.sampled_from([c.Leave, c.Hold, c.Resume, c.Finish, c.Finish, c.Silent]),
    )
    def interaction_command(self, number: int, kind: type) -> None:
        for interaction in sorted(self.open)[number : number + 1]:
            self.do(kind(interaction))

    @rule(number=st.integers(0, 5), agent=AGENTS)
    def take_over(self, number: int, agent: str) -> None:
        for interaction in sorted(self.open)[number : number + 1]:
            self.do(c.TakeOver(interaction, agent))

    @rule(number=st.integers(0, 5), queue=QUEUES, priority=st.integers(-5, 20))
    def move_or_prioritise(self, number: int, queue: str, priority: int) -> None:
        for interaction in sorted(self.open)[number : number + 1]:
            self.do(c.Move(interaction, queue))
            self.do(c.Prioritise(interaction, priority))
            self.do(c.Silent(interaction, False))

    @rule(seconds=st.sampled_from([0.5, 7.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.engine.advance(self.now)
        self.look()

    @invariant()
    def holds(self) -> None:
        assert breaches(self.engine, self.now) == []
        assert self.open == set(self.engine.interactions)
        assert set(self.reserved) == set(self.engine.reservations)


def broken(floor: Floor) -> str:
    """What a running engine says of itself within a round of its patrol."""
    assert floor.engine.check
    floor.checked = False
    for _ in range(64 * 2):
        for event in floor.do(c.Seize("lee"), c.Free("lee")):
            if isinstance(event, e.InvariantBroken):
                return event.what
    return ""


def test_a_running_engine_finds_what_is_broken_in_an_agent_or_an_interaction() -> None:
    def floor() -> Floor:
        made = Floor(queue(), *agents("kim", "lee"))
        made.do(c.Pause("lee", ""), call("1"))
        return made

    well = floor()
    assert broken(well) == ""
    assert well.engine.breached == 0
    seconds = floor()
    seconds.engine.agents["kim"].booked_s += 5.0
    assert broken(seconds) == "kim: the seconds in his states do not add up to the time"
    slot = floor()
    slot.engine.agents["kim"].load["voice"] = 2
    assert broken(slot) == "kim counts {'voice': 2}, holds {'voice': 1}"
    deadline = floor()
    offer = next(iter(deadline.engine.reservations.values()))
    assert offer.timer is not None
    offer.timer.due = deadline.now - 5
    assert broken(deadline) == f"kim: reservation {offer.number} is past its deadline"
    place = floor()
    place.engine.interactions["1"].state = InteractionState.WAITING
    assert broken(place) == "1 is WAITING with 1 offers"


TestAnyCommands = AnyCommands.TestCase
EXAMPLES = 200
TestAnyCommands.settings = settings(max_examples=EXAMPLES, stateful_step_count=50, deadline=None)
