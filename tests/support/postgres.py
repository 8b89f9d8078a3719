"""A PostgreSQL server of Debian's in a folder of its own, run by an ordinary user.

One serves a whole run of tests, all workers of it; each test has a database to itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cicswitch.runtime.place import Postgres
from cicswitch.store.pool import close_pool
from tests.support.ports import free_port

USER, PASSWORD = "cic", "s3cret/word"


def binaries() -> Path | None:
    """The folder of the newest server's programs; None: there is none."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    programs = Path("/usr/lib/postgresql").glob("*/bin/initdb")  # where Debian has them
    newest = max(programs, key=lambda path: int(path.parts[-3]), default=None)
    return newest.parent if newest is not None else None


BINARIES = binaries()
LACKING = "" if BINARIES is not None else "no PostgreSQL server (Debian: postgresql)"


class Cluster:
    """A server."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def url(self, database: str, password: str = PASSWORD) -> str:
        """A database of it."""
        secret = password.replace("/", "%2F")
        return f"postgresql://{USER}:{secret}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Make its files."""
        account = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        self.folder.chmod(0o755)
        os.chown(self.folder, account.pw_uid, account.pw_gid)
        word = self.folder / "word"
        word.write_text(PASSWORD)
        os.chown(word, account.pw_uid, account.pw_gid)
        self._as_user(
            *("initdb", "-D", str(self.folder / "data"), "-U", USER, f"--pwfile={word}"),
            *("--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"),
        )

    def start(self, *, durable: bool = False) -> None:
        """Start it and wait until it answers."""
        fsync = "on" if durable else "off"
        options = (
            f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync={fsync}"
            " -c shared_buffers=32MB -c max_connections=60 -c autovacuum=off"
        )
        data, told = str(self.folder / "data"), str(self.folder / "log")
        for left in reversed(range(20)):
            try:
                self._as_user("pg_ctl", "-D", data, "-l", told, "-w", "-o", options, "start")
                return
            except subprocess.CalledProcessError:  # those that were killed are not gone yet
                if not left:
                    raise
                time.sleep(0.1)

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is a crash."""
        self._as_user("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """kill -9 of all its processes."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split("\n")[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for process in (first, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def create(self, database: str, *more: str) -> Postgres:
        """An empty database."""
        self._client("createdb", "-T", "template0", *more, database)
        return Postgres(self.url(database))

    def lend(self, folder: Path) -> None:
        """Have the server's user write there."""
        if os.getuid() == 0:
            account = pwd.getpwnam("nobody")
            os.chown(folder, account.pw_uid, account.pw_gid)

    def drop(self, place: Postgres) -> None:
        """It goes, and who is in it."""
        close_pool(place)
        self._client("dropdb", "--force", "--if-exists", place.database)

    def sql(self, place: Postgres, query: str) -> str:
        """What `psql` says, fields between bars."""
        asked = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", query, place.database)
        return self._client("psql", *asked).strip()

    def _client(self, program: str, *arguments: str) -> str:
        assert BINARIES is not None
        made = subprocess.run(
            [BINARIES / program, "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, *arguments],
            env={"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"]},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return made.stdout

    def _as_user(self, program: str, *arguments: str) -> None:
        assert BINARIES is not None
        user = "nobody" if os.getuid() == 0 else None
        subprocess.run(
            [BINARIES / program, *arguments],
            user=user,
            group="nogroup" if user else None,
            extra_groups=[] if user else None,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )


@contextlib.contextmanager
def cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """A server of one's own."""
    folder = Path(tempfile.mkdtemp(prefix="cic-postgres-"))
    made = Cluster(folder, free_port())
    try:
        made.initialise()
        made.start(durable=durable)
        yield made
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # it may be stopped
            made.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def shared_cluster(folder: Path) -> Iterator[Cluster]:
    """The server of all who know this folder: the first starts it, the last stops it."""
    with _counted(folder, 1) as found:
        if not found:
            made = Cluster(Path(tempfile.mkdtemp(prefix="cic-postgres-")), free_port())
            made.initialise()
            made.start()
            found |= {"folder": str(made.folder), "port": made.port}
    one = Cluster(Path(found["folder"]), found["port"])
    try:
        yield one
    finally:
        with _counted(folder, -1) as found:
            if not found["users"]:
                one.stop("immediate")
                shutil.rmtree(one.folder, ignore_errors=True)
                found.clear()


@contextlib.contextmanager
def _counted(folder: Path, step: int) -> Iterator[dict[str, Any]]:
    with (folder / "postgres.lock").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        found = json.loads(file.read() or "{}")
        if found:
            found["users"] += step
        yield found
        if found:
            found.setdefault("users", 1)
        file.seek(0)
        file.truncate()
        file.write(json.dumps(found))
