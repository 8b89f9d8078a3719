from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.mailservers import MailServers, mail_servers


@pytest.fixture(scope="session")
def started() -> Iterator[MailServers]:
    """Postfix and Dovecot, once for all tests of this folder."""
    with mail_servers() as found:
        yield found


@pytest.fixture
def servers(started: MailServers) -> Iterator[MailServers]:
    """The same; what a test has left there does not come to the next one."""
    yield started
    started.empty()
