"""Which build the tests run: the sources, or with CICSWITCH_TEST=native the one in site-packages.

Processes that a test starts run the same one.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.stalls import (  # noqa: F401 - hooks of pytest
    pytest_configure,
    pytest_runtest_protocol,
    pytest_terminal_summary,
    pytest_unconfigure,
)

if TYPE_CHECKING:  # which build that is is settled below
    from cicswitch.runtime.place import Place, Postgres
    from tests.support.postgres import Cluster

ROOT = Path(__file__).parents[1]
NATIVE = os.environ.get("CICSWITCH_TEST", "") == "native"

if NATIVE:
    assert "cicswitch" not in sys.modules
    before, sys.path = sys.path, [entry for entry in sys.path if Path(entry or ".") != ROOT]
    import cicswitch.sip.parse

    sys.path = before
    os.environ.pop("PYTHONPATH", None)
    BUILD = cicswitch.sip.parse.__file__
    if Path(BUILD).suffix != ".so":
        pytest.exit(f"{BUILD} is no native build: `make setup` says what it lacks", 2)
    stale = [
        str(path.relative_to(ROOT))
        for kind in ("*.py", "*.c")
        for path in (ROOT / "cicswitch").rglob(kind)
        if not (built := Path(cicswitch.__file__).parents[1] / path.relative_to(ROOT)).exists()
        or built.read_bytes() != path.read_bytes()
    ]
    if stale:
        pytest.exit(f"the native build is older than {stale[0]}: run `make setup`", 2)
else:
    os.environ["PYTHONPATH"] = str(ROOT)


def pytest_report_header() -> str:
    """The first lines of a run."""
    return f"cicswitch: {'the native build' if NATIVE else 'the sources'}"


# A machine that does other things beside makes no example wrong.
# The native build has been seen by the sources' examples, and looks at some of them again.
settings.register_profile("patient", deadline=None)
settings.register_profile("native", deadline=None, max_examples=25)
settings.load_profile("native" if NATIVE else "patient")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The PostgreSQL server of this run."""
    from tests.support.postgres import LACKING, shared_cluster

    if LACKING:
        pytest.skip(LACKING)
    base = tmp_path_factory.getbasetemp()
    # All workers of a run have their folders in one.
    with shared_cluster(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as one:
        yield one


_databases = itertools.count()


@pytest.fixture
def database(postgres: Cluster) -> Iterator[Postgres]:
    """An empty database."""
    place = postgres.create(f"t{os.getpid()}_{next(_databases)}")
    yield place
    postgres.drop(place)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a store is to be: the test is run with each."""
    if request.param == "sqlite":
        return tmp_path / "store.db"
    found: Postgres = request.getfixturevalue("database")
    return found


@pytest.fixture
def stored(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The same, and the switches that the test starts have it there."""
    _point(place, monkeypatch)
    return place


@pytest.fixture(autouse=True)
def _everywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With CICSWITCH_TEST_STORE=postgres every switch of a test has its store there."""
    if os.environ.get("CICSWITCH_TEST_STORE") == "postgres" and "place" not in request.fixturenames:
        _point(request.getfixturevalue("database"), monkeypatch)


def _point(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(place, Path):
        return
    from tests.support import center

    path = 'path = "store.db"'
    made = center.CONFIG.replace(path, f'{path}\nurl = "{place.reveal()}"')
    monkeypatch.setattr(center, "CONFIG", made)
