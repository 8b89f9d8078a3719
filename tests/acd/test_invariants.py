"""Any commands in any order: the invariants hold after every step, and nothing is lost."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.engine import Engine
from cicswitch.core.errors import CommandError
from cicswitch.core.timers import TimerWheel

AGENTS = st.sampled_from(["a", "b", "c", "d"])
QUEUES = st.sampled_from(["p", "q", "r"])
SKILLS = st.dictionaries(st.sampled_from(["en", "ko"]), st.integers(1, 100), max_size=2)


class AnyCommands(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.wheel = TimerWheel()
        self.engine = Engine(self.wheel)
        self.now = 0.0
        self.count = 0
        self.open: set[str] = set()
        self.reserved: dict[int, str] = {}

    def do(self, command: c.Command) -> None:
        try:
            self.engine.handle(command, self.now)
        except CommandError:
            assert self.engine.take_events() == []
        self.look()

    def look(self) -> None:
        for event in self.engine.take_events():
            match event:
                case e.InteractionQueued():
                    self.open.add(event.interaction)
                case e.InteractionLeft() | e.InteractionHandled():
                    self.open.remove(event.interaction)
                case e.Reserved():
                    assert event.reservation not in self.reserved
                    assert event.agent not in self.reserved.values()
                    self.reserved[event.reservation] = event.agent
                case e.ReservationEnded():
                    assert self.reserved.pop(event.reservation) == event.agent

    @rule(
        name=QUEUES,
        skills=SKILLS,
        members=st.sets(AGENTS, max_size=2),
        select=st.sampled_from(["longest-idle", "most-skilled"]),
        ageing=st.sampled_from([0.0, 0.5, 2.0]),
        limits=st.tuples(st.integers(0, 3), st.integers(0, 20)),
        empty=st.tuples(st.booleans(), st.booleans()),
    )
    def define_queue(
        self,
        name: str,
        skills: dict[str, int],
        members: set[str],
        select: str,
        ageing: float,
        limits: tuple[int, int],
        empty: tuple[bool, bool],
    ) -> None:
        self.do(
            c.DefineQueue(
                queue=name,
                skills=skills,
                agents=tuple(sorted(members)),
                select=select,
                ageing=ageing,
                max_waiting=limits[0],
                max_wait_s=limits[1],
                join_empty=empty[0],
                leave_empty=empty[1],
                wrap_up_s=limits[1],
            )
        )

    @rule(agent=AGENTS, skills=SKILLS)
    def define_agent(self, agent: str, skills: dict[str, int]) -> None:
        self.do(c.DefineAgent(agent=agent, skills=skills))

    @rule(queue=QUEUES, skills=SKILLS, priority=st.integers(-5, 5))
    def enqueue(self, queue: str, skills: dict[str, int], priority: int) -> None:
        self.count += 1
        self.do(
            c.Enqueue(interaction=str(self.count), queue=queue, skills=skills, priority=priority)
        )

    @rule(
        agent=AGENTS,
        kind=st.sampled_from([c.SignIn, c.SignOut, c.Ready, c.Seize, c.Free, c.RemoveAgent]),
    )
    def agent_command(self, agent: str, kind: type) -> None:
        self.do(kind(agent))

    @rule(agent=AGENTS)
    def pause(self, agent: str) -> None:
        self.do(c.Pause(agent, "break"))

    @rule(agent=AGENTS)
    def wrap_up(self, agent: str) -> None:
        self.do(c.WrapUp(agent, "done"))

    @rule(queue=QUEUES)
    def remove_queue(self, queue: str) -> None:
        self.do(c.RemoveQueue(queue))

    @rule(number=st.integers(0, 3), accept=st.booleans())
    def answer(self, number: int, accept: bool) -> None:
        for reservation in list(self.reserved)[number : number + 1]:
            self.do(c.Accept(reservation) if accept else c.Reject(reservation))

    @rule(number=st.integers(0, 5), kind=st.sampled_from([c.Leave, c.Hold, c.Resume, c.Finish]))
    def interaction_command(self, number: int, kind: type) -> None:
        for interaction in sorted(self.open)[number : number + 1]:
            self.do(kind(interaction))

    @rule(seconds=st.sampled_from([0.5, 7.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.wheel.fire(self.now)
        self.look()

    @invariant()
    def holds(self) -> None:
        assert self.engine.breaches(self.now) == []
        assert self.open == set(self.engine.interactions)
        assert set(self.reserved) == set(self.engine.reservations)


TestAnyCommands = AnyCommands.TestCase
TestAnyCommands.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
