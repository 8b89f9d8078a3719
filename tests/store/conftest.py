"""A store that was refused is tried again sooner than in life."""

from __future__ import annotations

import pytest

from cicswitch.store import writer


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "AGAIN_S", 0.05)
