"""Who has listened to what of late: the audit log has each listening once a minute, not once for
each part that a player asks for."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

__all__ = ["Heard"]

_SAME_S = 60.0
_MOST = 4096


class Heard:
    """Account and recording -> when that was noted. Hold `lock` from `lately` to `noted`."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self._at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def lately(self, account: str, recording: str, now: float) -> bool:
        """Whether it is noted already."""
        at = self._at.get((account, recording))
        return at is not None and 0 <= now - at < _SAME_S

    def noted(self, account: str, recording: str, now: float) -> None:
        """It is in the log."""
        self._at[account, recording] = now
        self._at.move_to_end((account, recording))
        while len(self._at) > _MOST:
            self._at.popitem(last=False)
