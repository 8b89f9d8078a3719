"""A channel of somebody else's: a package that is installed, found by its entry point."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from cicswitch.store.sqlite import connect_reader
from tests.channels.test_chat import until
from tests.operation.test_daemon import configure, fetch, launch, running
from tests.support.ports import free_port

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "folder-channel"
CHANNEL = """
[channel.desk]
type = "folder"
queue = "support"
settings = {{ inbox = "{0}/inbox", outbox = "{0}/outbox" }}
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of docs/channels.md, as pip installs it."""
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--no-index", "--target", str(target), str(EXAMPLE)),
        ],
        check=True,
        timeout=120,
    )
    return target


@pytest.fixture
def installed(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = [path for path in sys.path if path]
    monkeypatch.setenv("PYTHONPATH", ":".join([str(target), *old]))


@pytest.mark.usefixtures("installed")
async def test_the_example_takes_texts_out_of_a_folder(tmp_path: Path) -> None:
    http = free_port()
    file = configure(tmp_path, free_port(), http, CHANNEL.format(tmp_path))
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number in range(20):
        (inbox / f"park-{number}.txt").write_text(f"text {number}\n")
    async with running(file) as daemon:
        await until(lambda: not list(inbox.iterdir()))
        daemon.process.kill()
        await daemon.process.wait()
    # As if the switch had died before it could take this one away.
    (inbox / "park-7.txt").write_text("text 7\n")
    async with running(file):
        await until(lambda: not list(inbox.iterdir()))
        # One of the twenty is offered to the agent.
        reply = await asyncio.to_thread(fetch, http, "/metrics")
        assert 'cicswitch_queue_waiting{queue="support"} 19.0' in reply[1]
    db = connect_reader(tmp_path / "store.db")
    assert db.execute("SELECT count(*), count(DISTINCT text) FROM message").fetchone() == (20, 20)
    assert db.execute("SELECT count(*) FROM pending").fetchone() == (20,)
    db.close()


@pytest.mark.usefixtures("installed")
async def test_what_is_wrong_with_it_is_one_line(tmp_path: Path) -> None:
    for text, told in (
        ('type = "folder"\n', "settings.inbox is missing"),
        ('type = "pager"\n', '"pager"; known: chat, email, fax, folder, sip, task, webhook'),
    ):
        extra = f"\n[channel.desk]\n{text}"
        daemon = await launch(configure(tmp_path, free_port(), free_port(), extra))
        assert daemon.process.stderr is not None
        output = (await daemon.process.stderr.read()).decode()
        assert await daemon.process.wait() == 1
        assert told in output
        assert "Traceback" not in output
