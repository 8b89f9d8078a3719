"""The accounts' file and what stands on it: no server, the real file."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from unicodedata import normalize

import pytest

from cicswitch.api.accounts.credentials import digest_of
from cicswitch.api.accounts.directory import AccountFile, Directory, TooOften
from cicswitch.api.accounts.model import Account, Actor, Stale
from cicswitch.api.accounts.passwords import Passwords
from cicswitch.api.accounts.roles import ROLE_SCOPES, SCOPES
from cicswitch.api.accounts.throttle import Attempts, Rate, network_of
from cicswitch.core.errors import CommandError, Conflict, NotFound, ResourceError

ROOT = Actor("root", "command-line")
PASSWORD = "correct horse battery"
CHEAP = Passwords(time_cost=1, memory_kib=64)


@pytest.fixture
def file(tmp_path: Path) -> AccountFile:
    found = AccountFile(tmp_path / "accounts.db")
    found.open()
    return found


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Directory]:
    found = Directory(tmp_path / "accounts.db", idle_s=600, session_s=3600, passwords=CHEAP)
    await found.open()
    yield found
    await found.close()


def person(file: AccountFile, name: str, role: str = "agent", agent: str = "") -> Account:
    account = Account(name=name, role=role, agent=agent)  # type: ignore[arg-type]  # of ROLES
    return file.people.add(ROOT, 1.0, account, CHEAP.hash(PASSWORD))


def test_every_scope_of_a_role_is_a_scope() -> None:
    for scopes in ROLE_SCOPES.values():
        assert scopes <= SCOPES.keys()
    assert ROLE_SCOPES["agent"] < ROLE_SCOPES["supervisor"] < ROLE_SCOPES["administrator"]


def test_the_file_is_its_owners_alone(file: AccountFile) -> None:
    person(file, "kim")
    folder = file.database.path.parent
    for path in folder.glob("accounts.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_neither_password_nor_secret_is_in_the_file(file: AccountFile) -> None:
    person(file, "kim")
    _, secret = file.tokens.add(ROOT, 1.0, "kim", "x", ("queues:read",), None)
    _, cookie = file.sessions.add(Actor("kim", "session"), 1.0, 60.0, "browser")
    file.close()
    data = b"".join(path.read_bytes() for path in file.database.path.parent.iterdir())
    for text in (PASSWORD, secret, cookie):
        assert text.encode() not in data
    assert digest_of(secret) in data


def test_what_is_answered_is_there_after_a_crash(file: AccountFile, tmp_path: Path) -> None:
    person(file, "kim")
    # The connection is not closed: only what was committed is seen by another one.
    other = AccountFile(tmp_path / "accounts.db")
    other.open()
    assert other.people.find("kim").name == "kim"


@pytest.mark.parametrize("name", ["", "Kim", "-kim", "a" * 65, "ki m", "kim/../lee", "김"])
def test_a_name_that_is_none_is_refused(file: AccountFile, name: str) -> None:
    with pytest.raises(CommandError):
        person(file, name)


def test_a_stale_change_is_refused_and_changes_nothing(file: AccountFile) -> None:
    first = person(file, "kim")
    second = file.people.change(ROOT, 2.0, "kim", {"display_name": "Kim"}, first.version)
    with pytest.raises(Stale):
        file.people.change(ROOT, 3.0, "kim", {"role": "supervisor"}, first.version)
    assert file.people.find("kim") == second


def test_the_last_administrator_stays_one(file: AccountFile) -> None:
    person(file, "root", "administrator")
    for change in ({"disabled": True}, {"role": "agent"}):
        with pytest.raises(Conflict, match="last administrator"):
            file.people.change(ROOT, 2.0, "root", change)
    with pytest.raises(Conflict, match="last administrator"):
        file.people.remove(ROOT, 2.0, "root")
    person(file, "second", "administrator")
    file.people.remove(ROOT, 2.0, "root")


def test_the_audit_log_says_what_changed_and_cannot_be_changed(file: AccountFile) -> None:
    person(file, "kim")
    file.people.change(Actor("root", "session", "192.0.2.1"), 2.0, "kim", {"role": "quality"})
    file.people.set_password(ROOT, 3.0, "kim", CHEAP.hash("another password"))
    added, changed, password = file.audit.page(0, 10)
    assert (added.action, added.target, added.before) == ("account.add", "kim", None)
    assert (changed.who, changed.via, changed.address) == ("root", "session", "192.0.2.1")
    assert (changed.before, changed.after) == ({"role": "agent"}, {"role": "quality"})
    assert (password.action, password.before, password.after) == ("account.password", None, None)
    assert file.audit.page(changed.id, 10) == [password]
    assert file.audit.page(0, 2, newest=True) == [password, changed]
    assert file.audit.page(changed.id, 10, newest=True) == [added]
    assert file.audit.page(0, 10, action="account.change") == [changed]
    db = sqlite3.connect(file.database.path)
    for statement in ("DELETE FROM audit", "UPDATE audit SET who = 'nobody'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
    db.close()


def test_a_file_of_a_later_version_is_not_opened(file: AccountFile) -> None:
    file.database.db.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(ResourceError, match="later version"):
        file.open()


def test_a_file_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(ResourceError, match="cannot open the accounts in"):
        AccountFile(path).open()


# -- sessions and tokens -------------------------------------------------------------------------


async def test_a_session_ends_when_it_is_idle_and_in_any_case_at_its_end(
    directory: Directory,
) -> None:
    person(directory.file, "kim")
    signed_in = await directory.sign_in("kim", PASSWORD, "192.0.2.1", "", 1000.0)
    assert signed_in is not None
    secret = signed_in[2]
    for now in (1000.0, 1500.0, 2000.0, 2500.0, 3000.0, 3500.0, 4000.0, 4500.0):
        assert await directory.by_cookie(secret, now) is not None
    assert await directory.by_cookie(secret, 4601.0) is None  # used all the time, over after 3600 s
    signed_in = await directory.sign_in("kim", PASSWORD, "192.0.2.1", "", 5000.0)
    assert signed_in is not None
    assert await directory.by_cookie(signed_in[2], 5601.0) is None  # idle for more than 600 s
    assert directory.file.sessions.of("kim") == []


async def test_a_token_never_has_more_than_its_owner(directory: Directory) -> None:
    tokens, people = directory.file.tokens, directory.file.people
    person(directory.file, "lee", "supervisor")
    with pytest.raises(Conflict, match="itself has no accounts:write"):
        tokens.add(ROOT, 1.0, "lee", "", ("accounts:write",), None)
    _, secret = tokens.add(ROOT, 1.0, "lee", "", ("agents:write", "queues:read"), 100.0)
    principal = await directory.by_token(secret, 10.0)
    assert principal is not None
    assert principal.scopes == {"agents:write", "queues:read"}
    people.change(ROOT, 11.0, "lee", {"role": "planner"})
    principal = await directory.by_token(secret, 12.0)
    assert principal is not None
    assert principal.scopes == {"queues:read"}
    assert await directory.by_token(secret, 101.0) is None
    people.change(ROOT, 20.0, "lee", {"disabled": True})
    assert await directory.by_token(secret, 21.0) is None


async def test_a_token_knows_when_it_was_used_and_is_gone_once_revoked(
    directory: Directory,
) -> None:
    tokens = directory.file.tokens
    person(directory.file, "lee", "supervisor")
    token, secret = tokens.add(ROOT, 1.0, "lee", "", ("queues:read",), None)
    assert tokens.find(token.id).used_at is None
    assert await directory.by_token(secret, 50.0) is not None
    assert tokens.find(token.id).used_at == 50.0
    tokens.revoke(ROOT, 51.0, token.id)
    assert await directory.by_token(secret, 50.5) is None


async def test_what_another_process_changes_is_seen_within_a_second(
    directory: Directory, tmp_path: Path
) -> None:
    person(directory.file, "kim")
    signed_in = await directory.sign_in("kim", PASSWORD, "", "", 1000.0)
    assert signed_in is not None
    assert await directory.by_cookie(signed_in[2], 1000.0) is not None
    other = AccountFile(tmp_path / "accounts.db")
    other.open()
    other.people.change(ROOT, 1000.1, "kim", {"disabled": True})
    other.close()
    assert await directory.by_cookie(signed_in[2], 1001.1) is None


async def test_a_new_password_ends_the_sessions_but_for_one(directory: Directory) -> None:
    person(directory.file, "kim")
    one = await directory.sign_in("kim", PASSWORD, "", "", 1.0)
    two = await directory.sign_in("kim", PASSWORD, "", "", 2.0)
    assert one is not None
    assert two is not None
    new = await directory.hashed("another password")
    await directory.run(directory.file.people.set_password, ROOT, 3.0, "kim", new, keep=two[0].id)
    assert await directory.by_cookie(one[2], 4.0) is None
    assert await directory.by_cookie(two[2], 4.0) is not None
    assert await directory.sign_in("kim", PASSWORD, "", "", 5.0) is None


# -- passwords -----------------------------------------------------------------------------------


async def test_a_hash_of_other_parameters_is_made_anew_at_the_sign_in(
    directory: Directory,
) -> None:
    old = Passwords(time_cost=2, memory_kib=128).hash(PASSWORD)
    directory.file.people.add(ROOT, 1.0, Account(name="kim"), old)
    assert await directory.sign_in("kim", PASSWORD, "", "", 2.0) is not None
    _, new = directory.file.people.with_password("kim")
    assert new != old
    assert "m=64,t=1" in new
    assert await directory.sign_in("kim", PASSWORD, "", "", 3.0) is not None


async def test_a_name_that_nobody_has_costs_a_hash_too(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(directory.file, "kim")
    seen: list[str] = []
    real = directory.passwords.verify

    def verify(kept: str, password: str) -> bool:
        seen.append(kept)
        return real(kept, password)

    monkeypatch.setattr(directory.passwords, "verify", verify)
    assert await directory.sign_in("nobody", PASSWORD, "", "", 1.0) is None
    assert await directory.sign_in("kim", "wrong", "", "", 1.0) is None
    assert len(seen) == 2
    assert seen[0] == ""
    assert real("", "nobody has this one") is False


def test_the_default_parameters_are_those_of_owasp() -> None:
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in Passwords().hash(PASSWORD)


def test_a_password_is_the_same_from_every_keyboard() -> None:
    composed, letters = "비밀번호는 길다", normalize("NFD", "비밀번호는 길다")
    assert composed != letters
    assert CHEAP.verify(CHEAP.hash(composed), letters)


async def test_guesses_at_once_are_all_counted(directory: Directory) -> None:
    person(directory.file, "kim")

    async def guess(number: int) -> bool:
        try:
            await directory.sign_in("kim", f"guess {number}", "192.0.2.1", "", 1.0)
        except TooOften:
            return False
        return True

    tried = await asyncio.gather(*(guess(number) for number in range(40)))
    assert sum(tried) == 5
    with pytest.raises(TooOften):
        await directory.sign_in("kim", PASSWORD, "192.0.2.9", "", 1.0)
    assert await directory.sign_in("kim", PASSWORD, "192.0.2.9", "", 2.1) is not None


async def test_guesses_from_an_address_are_counted_over_all_names(directory: Directory) -> None:
    person(directory.file, "kim")
    for number in range(20):
        # The right password in between clears nothing of the address.
        name = "kim" if number % 5 == 4 else f"nobody{number}"
        await directory.sign_in(name, PASSWORD, "2001:db8::1", "", 1.0)
    for number in range(4):
        await directory.sign_in(f"other{number}", PASSWORD, "2001:db8::2", "", 1.0)
    with pytest.raises(TooOften):
        await directory.sign_in("kim", PASSWORD, "2001:db8::ffff", "", 1.0)
    assert await directory.sign_in("kim", PASSWORD, "2001:db8:1::1", "", 1.0) is not None


def test_attempts_double_their_wait_and_are_forgiven() -> None:
    attempts = Attempts(2, most_s=60)
    for _ in range(2):
        assert attempts.wait_s("kim", 0.0) == 0.0
        attempts.began("kim", 0.0)
    assert attempts.wait_s("kim", 0.0) == 1.0
    for expected in (2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        attempts.began("kim", 0.0)
        assert attempts.wait_s("kim", 0.0) == expected
    attempts.began("kim", 121.0)
    assert attempts.wait_s("kim", 121.0) == 0.0


def test_memory_of_attempts_and_rates_is_bounded() -> None:
    attempts, rate = Attempts(1, keys=100), Rate(60, keys=100)
    for number in range(1000):
        attempts.began(str(number), 0.0)
        rate.take(str(number), 0.0)
    assert len(attempts) == len(rate) == 100


def test_a_rate_lets_so_many_through_and_fills_again() -> None:
    rate = Rate(60)
    assert [rate.take("a", 0.0)[0] for _ in range(61)] == [True] * 60 + [False]
    assert rate.take("b", 0.0) == (True, 59, 1)
    allowed, left, wait_s = rate.take("a", 0.5)
    assert (allowed, left, wait_s) == (False, 0, 1)
    assert rate.take("a", 1.5)[0]
    assert not rate.take("a", 1.5)[0]


def test_an_ipv6_host_is_its_network() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::2:3") == "2001:db8::/64"
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("::1") == "::1"


# -- the first account ---------------------------------------------------------------------------


async def test_the_set_up_code_is_good_once(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "a.db", passwords=CHEAP)
    code = await directory.open()
    root = Account(name="root", role="administrator")
    with pytest.raises(NotFound):
        await directory.set_up("AAAA-BBBB-CCCC-DDDD", root, PASSWORD, "", 1.0)
    made = await directory.set_up(code.lower(), root, PASSWORD, "192.0.2.1", 2.0)
    assert made.role == "administrator"
    with pytest.raises(NotFound):
        await directory.set_up(code, Account(name="other"), PASSWORD, "", 3.0)
    (entry,) = directory.file.audit.page(0, 10)
    assert (entry.who, entry.via, entry.address) == ("root", "setup", "192.0.2.1")
    await directory.close()
    again = Directory(tmp_path / "a.db", passwords=CHEAP)
    assert await again.open() == ""
    await again.close()


async def test_the_set_up_code_is_void_once_the_command_line_has_made_an_account(
    tmp_path: Path,
) -> None:
    directory = Directory(tmp_path / "a.db", passwords=CHEAP)
    code = await directory.open()
    person(directory.file, "first", "administrator")
    for expected in (Conflict, NotFound):
        with pytest.raises(expected):
            await directory.set_up(code, Account(name="other"), PASSWORD, "", 1.0)
    await directory.close()
