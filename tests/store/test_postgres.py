"""PostgreSQL, and what only a server can do: be away, refuse, lose an answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from cicswitch.calls.events import InteractionEnded, InteractionStarted, SwitchStarted
from cicswitch.core.errors import ResourceError
from cicswitch.records.rows import InteractionRecord, MessageRecord
from cicswitch.runtime.place import Postgres
from cicswitch.store import asking, chat, contacts
from cicswitch.store import postgres as module
from cicswitch.store import postgres_schema as schema
from cicswitch.store.make import make_store
from cicswitch.store.pool import ReaderPool, pool_of
from cicswitch.store.reader import read_rows, reading
from tests.store.test_degraded import Watched
from tests.support.disk import small_disk
from tests.support.postgres import LACKING, PASSWORD, Cluster, cluster

pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)


@contextlib.contextmanager
def watched(place: Postgres) -> Iterator[Watched]:
    one = Watched(place)
    try:
        yield one
    finally:
        one.store.close(99.0, "test")


@contextlib.asynccontextmanager
async def awatched(place: Postgres) -> AsyncIterator[Watched]:
    with watched(place) as one:
        yield one


@contextlib.asynccontextmanager
async def session(place: Postgres) -> AsyncIterator[Any]:
    """Somebody else's."""
    one = await asking.connect(place, 10)
    try:
        yield one
    finally:
        one.terminate()


def call(number: int) -> list[InteractionStarted | InteractionEnded]:
    at = 2.0 + number
    return [
        InteractionStarted(at, f"i{number}", "voice", "device:2001", "2001", "5000", ""),
        InteractionEnded(at + 1, f"i{number}", "normal"),
    ]


def interactions(place: Postgres) -> list[str]:
    with reading(place) as db:
        return [
            name for (name,) in db.execute("SELECT interaction FROM interaction ORDER BY rowid")
        ]


def events(place: Postgres) -> list[tuple[str, int]]:
    query = "SELECT type, count(*) FROM event GROUP BY type ORDER BY type"
    with reading(place) as db:
        return db.execute(query).fetchall()


# -- a server that is away -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A server that may be stopped and killed, and that writes to its disk."""
    with cluster(durable=True) as one:
        yield one


@pytest.mark.parametrize("how", ["fast", "kill"])
async def test_nothing_is_lost_or_doubled_while_the_server_is_away(own: Cluster, how: str) -> None:
    place = await asyncio.to_thread(own.create, f"away_{how}")
    appended = 0
    stop = asyncio.Event()
    with watched(place) as w:

        async def calls() -> None:
            nonlocal appended
            while not stop.is_set():
                for event in call(appended):
                    w.store.append(event)
                w.store.append_chat(
                    chat.ADD, (appended + 1, 1.0, "supervisors", "boss", f"m{appended}", "x")
                )
                appended += 1
                await asyncio.sleep(0.001)

        calling = asyncio.create_task(calls())
        await w.store.committed()
        if how == "kill":
            await asyncio.to_thread(own.kill)
        else:
            await asyncio.to_thread(own.stop)
        told = await w.next_state()
        assert "cannot be written" in told
        assert str(own.port) not in told  # everybody sees it in /health
        with pytest.raises(ResourceError, match="nothing listens"):
            await asyncio.to_thread(interactions, place)
        await asyncio.to_thread(own.start, durable=True)
        while await w.next_state():
            pass
        stop.set()
        await calling
        await asyncio.wait_for(w.store.committed(), 10)
        assert await asyncio.to_thread(interactions, place) == [f"i{n}" for n in range(appended)]
        assert dict(await asyncio.to_thread(events, place)) == {
            "SwitchStarted": 1,
            "InteractionStarted": appended,
            "InteractionEnded": appended,
        }
        with reading(place) as db:
            assert db.execute("SELECT count(*), max(seq) FROM chat").fetchone() == (
                appended,
                appended,
            )
        assert w.store.lost == 0


class Line:
    """A line to a server, which can be cut when a commit has gone and its answer has not come."""

    def __init__(self, port: int) -> None:
        self._far = port
        self.cut = threading.Event()
        self.lost = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, there = await asyncio.open_connection("127.0.0.1", self._far)
        gone = False

        async def out() -> None:
            nonlocal gone
            while data := await near.read(65536):
                if b"COMMIT;" in data and self.cut.is_set():
                    self.cut.clear()
                    gone = True
                there.write(data)
            there.close()

        sending = asyncio.create_task(out())
        while data := await far.read(65536):
            if gone:
                self.lost += 1
                break
            back.write(data)
        back.close()
        there.close()
        sending.cancel()


async def test_a_commit_whose_answer_is_lost_is_not_written_again(
    postgres: Cluster, database: Postgres
) -> None:
    line = Line(postgres.port)
    async with line.open() as port:
        place = Postgres(database.reveal().replace(f":{postgres.port}/", f":{port}/"))
        with capture_logs() as logs:
            one = await asyncio.to_thread(Watched, place)
            await one.store.committed()
            for number in range(2):
                line.cut.set()
                for event in call(number):
                    one.store.append(event)
                one.store.append_trace(2.0, f"i{number}", f"leg{number}", b"\x90")
                await asyncio.wait_for(one.store.committed(), 20)
            await asyncio.to_thread(one.store.close, 99.0, "test")
    assert line.lost == 2
    assert [each["event"] for each in logs].count("store_commit_found") == 2
    assert interactions(database) == [f"i{number}" for number in range(2)]
    with reading(database) as db:
        assert db.execute("SELECT count(*) FROM trace").fetchone() == (2,)
        assert db.execute("SELECT sum(events) FROM journal").fetchone() == (6,)


async def test_a_connection_that_is_ended_in_a_transaction_comes_back(
    database: Postgres,
) -> None:
    async with session(database) as locker, awatched(database) as w:
        await w.store.committed()
        async with locker.transaction():
            await locker.execute("LOCK TABLE interaction")
            for event in call(1):
                w.store.append(event)
            waiting = asyncio.create_task(w.store.committed())
            ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted"
            while not await locker.fetch(ended):  # noqa: ASYNC110 - the server tells no event of it
                await asyncio.sleep(0.01)
            assert "terminat" in await w.next_state()
        assert await w.next_state() == ""
        await asyncio.wait_for(waiting, 10)
        assert interactions(database) == ["i1"]


async def test_a_server_that_was_away_while_nothing_was_written_is_no_failure(
    postgres: Cluster, database: Postgres
) -> None:
    with watched(database) as w:
        await w.store.committed()
        assert await asyncio.to_thread(interactions, database) == []
        cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = "
        postgres.sql(database, f"{cut} '{database.database}' AND pid != pg_backend_pid()")
        for event in call(1):
            w.store.append(event)
        await w.store.committed()
        assert await asyncio.to_thread(interactions, database) == ["i1"]  # a new connection too
        assert w.reasons == []


async def test_who_asks_while_it_ends_is_told_so(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cicswitch.store.pool.CONNECT_S", 0.2)
    pool = pool_of(database)
    asked = threading.Event()

    def ask() -> None:
        with pool.reading() as db:
            asked.set()
            db.execute("SELECT pg_sleep(30)")

    asking = asyncio.create_task(asyncio.to_thread(ask))
    await asyncio.to_thread(asked.wait)
    pool.close()
    with pytest.raises(ResourceError):
        await asyncio.wait_for(asking, 10)
    with pytest.raises(ResourceError, match="not asked any more"):
        await asyncio.to_thread(ask)


async def test_who_asks_at_the_very_end_is_told_so_too(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = ReaderPool(database)
    ended, go_on = threading.Event(), threading.Event()
    close = pool._loop.close

    def closing() -> None:
        ended.set()  # who was at work then has been told
        go_on.wait(10)
        close()

    monkeypatch.setattr(pool._loop, "close", closing)
    closed = asyncio.create_task(asyncio.to_thread(pool.close))
    await asyncio.to_thread(ended.wait)
    with pytest.raises(ResourceError, match="not asked any more"), pool.reading() as db:
        db.execute("SELECT 1")
    go_on.set()
    await closed


async def test_a_table_that_somebody_holds_degrades_the_store_until_he_lets_go(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LOCK_S", 0.1)
    async with session(database) as locker, awatched(database) as w:
        await w.store.committed()
        async with locker.transaction():
            await locker.execute("LOCK TABLE interaction")
            for event in call(1):
                w.store.append(event)
            assert "lock timeout" in await w.next_state()
        assert await w.next_state() == ""
        await asyncio.wait_for(w.store.committed(), 10)
    assert interactions(database) == ["i1"]


async def test_a_full_disk_of_the_server_is_waited_for(own: Cluster) -> None:
    place = await asyncio.to_thread(own.create, "full")
    with small_disk(own.folder / "disk", 24) as disk:
        folder = disk.path / "space"
        folder.mkdir(mode=0o700)
        own.lend(folder)
        own.sql(place, f"CREATE TABLESPACE small LOCATION '{folder}'")
        with watched(place) as w:
            await w.store.committed()
            own.sql(place, "ALTER TABLE journal SET TABLESPACE small")
            disk.fill()
            number = 0
            while not w.reasons:
                number += 1
                for event in call(number):
                    w.store.append(event)
                await asyncio.to_thread(w.changed.wait, 0.02)
            assert "No space left" in await w.next_state()
            disk.make_room()
            while await w.next_state():
                pass
            await w.store.committed()
            assert len(await asyncio.to_thread(interactions, place)) == number
            assert w.store.lost == 0
        own.drop(place)
        own.sql(Postgres(own.url("postgres")), "DROP TABLESPACE small")


# -- whose it is ---------------------------------------------------------------------------------


async def test_a_second_switch_on_a_database_is_refused_and_says_why(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_WAIT_S", 0.1)
    with watched(database) as w:
        second = make_store(database)
        with pytest.raises(ResourceError) as caught:
            await asyncio.to_thread(second.open, 1.0, "test")
        assert "another switch writes to it already" in str(caught.value)
        assert "from 127.0.0.1 since 20" in str(caught.value)
        assert PASSWORD not in str(caught.value)
        for event in call(1):
            w.store.append(event)
        await w.store.committed()
    second.open(100.0, "test")  # once the first has stopped
    second.close(101.0, "test")
    assert interactions(database) == ["i1"]


async def test_who_has_lost_the_database_to_another_writes_no_more(
    postgres: Cluster, database: Postgres
) -> None:
    with watched(database) as w:
        await w.store.committed()
        postgres.sql(database, "UPDATE cicswitch SET run = 'another'")
        postgres.sql(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
            " AND datname = current_database()",
        )
        for event in call(1):
            w.store.append(event)
        while "another switch has written" not in await w.next_state():
            pass
    assert interactions(database) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"password": "wrong"}, 'password authentication failed for user "cic"'),
        ({"database": "none"}, 'database "none" does not exist'),
        ({"port": 1}, "nothing listens at the server's address"),
        ({"host": "no-such-host.invalid"}, "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_line_without_the_password(
    postgres: Cluster, database: Postgres, changed: dict[str, object], expected: str
) -> None:
    made = {"password": PASSWORD, "database": database.database, "port": postgres.port}
    made |= {"host": "127.0.0.1", **changed}
    password = str(made["password"]).replace("/", "%2F")
    place = Postgres("postgresql://cic:{0}@{host}:{port}/{database}".format(password, **made))
    for ask in (lambda: make_store(place).open(1.0, "test"), lambda: interactions(place)):
        with pytest.raises(ResourceError) as caught:
            ask()
        if "cannot" not in expected:
            assert expected in str(caught.value)
        assert str(place) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert str(made["password"]) not in str(caught.value)
        assert password not in str(caught.value)


def test_a_database_of_a_newer_version_is_refused(postgres: Cluster, database: Postgres) -> None:
    store = make_store(database)
    store.open(1.0, "test")
    store.close(2.0, "test")
    postgres.sql(database, "UPDATE cicswitch SET version = 99")
    with pytest.raises(ResourceError, match="newer version"):
        store.open(3.0, "test")


def test_a_database_of_an_older_version_gets_its_steps_and_columns(
    postgres: Cluster, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(database)
    store.open(1.0, "test")
    store.close(2.0, "test")
    postgres.sql(database, "ALTER TABLE leg DROP COLUMN codec")
    known = schema.VERSION
    monkeypatch.setattr(module, "VERSION", known + 1)
    monkeypatch.setattr(schema, "VERSION", known + 1)
    step = "CREATE INDEX later ON leg (codec)"
    monkeypatch.setattr(schema, "STEPS", {known: ("ALTER TABLE leg ADD codec TEXT", step)})
    for _ in range(2):  # once
        store.open(3.0, "test")
        store.close(4.0, "test")
    assert postgres.sql(database, "SELECT version FROM cicswitch") == str(known + 1)
    assert postgres.sql(database, "SELECT count(*) FROM pg_indexes WHERE indexname='later'") == "1"


# -- what PostgreSQL does not take ---------------------------------------------------------------


def test_what_cannot_be_there_is_asked_for_and_is_not_there(database: Postgres) -> None:
    store = make_store(database)
    store.open(1.0, "test")
    store.close(2.0, "test")
    with reading(database) as db:
        assert contacts.messages(db, "c\0", after=10**40, limit=5) == []
        assert contacts.conversation(db, "\ud800") is None
        assert chat.said(db, ["x\0"], [], "me", after=-(10**40), before=None, limit=1) == []


def test_a_text_that_the_server_does_not_take_holds_up_nothing(database: Postgres) -> None:
    store = make_store(database)
    store.open(1.0, "test")
    long = "".join(chr(0x4E00 + number * 7 % 20000) for number in range(9000))
    for caller in ("a\0b", long, "fine"):
        store.append(InteractionStarted(2.0, caller[:3], "voice", "pbx", caller, "5000"))
        store.append(InteractionEnded(3.0, caller[:3], "normal"))
    file = '[{"digest":"d","name":"a\\u0000b","media_type":"t/t","size":1}]'
    message = MessageRecord("m1", "c1", 1, "i1", 2.0, "customer", "\0", file, "web", long)
    other = MessageRecord("m2", "c1", 2, "i1", 2.0, "customer", "2", "", "\ud800", long + "2")
    store.append(SwitchStarted(4.0, "1"), [message, other])
    store.close(5.0, "stopped")
    assert store.lost == 0
    with reading(database) as db:
        callers = [row.caller for row in read_rows(db, InteractionRecord)]
        assert callers[0] == "a�b"
        assert long.startswith(callers[1].partition("…")[0])
        assert 300 < len(callers[1]) < 500
        assert callers[2] == "fine"
        assert contacts.messages(db, "c1")[0].text == "�"
        assert contacts.known(db, "web", long) == ("m1", "c1", 1)
        assert contacts.known(db, "?", long + "2") == ("m2", "c1", 2)
        assert contacts.known(db, "web", long + "2") is None
        found = contacts.attachment(db, "c1", "d")
        assert found is not None
        assert found.name == "a�b"
        assert db.execute("SELECT count(*) FROM event").fetchone() == (9,)
