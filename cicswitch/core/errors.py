"""The errors of cicswitch.

    CicError
    ├── ConfigError        a user's mistake in TOML; carries every Finding, not the first
    ├── CommandError       a command that cannot be carried out; changes nothing
    │   ├── NotFound       the agent, queue, call or leg named is not there
    │   ├── Conflict       it is there, but not in a state that allows the command
    │   └── NotReached     who was called did not answer
    ├── ProtocolError      a peer broke a protocol; `status` is the answer the RFC suggests
    └── ResourceError      the machine refused: a port taken, no file handle, a full disk
        └── Later          it may work after some time

Protocol cores derive their own errors from `ProtocolError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cicswitch.core.toml import Finding

__all__ = [
    "CicError",
    "CommandError",
    "ConfigError",
    "Conflict",
    "Later",
    "NotFound",
    "NotReached",
    "ProtocolError",
    "ResourceError",
    "TooLarge",
]


class CicError(Exception):
    """Base of every error that cicswitch raises on purpose."""


class ConfigError(CicError):
    """One or more mistakes in TOML files; `findings` holds all of them, in file order."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class CommandError(CicError):
    """A command that was refused. Nothing has changed."""


class NotFound(CommandError):
    """The thing that a command names does not exist."""


class Conflict(CommandError):
    """The thing exists, but its state does not allow the command."""


class NotReached(CommandError):
    """A call out was not answered; `reason` says why (`calls.reason`)."""

    def __init__(self, message: str, reason: str) -> None:
        self.reason = reason
        super().__init__(message)


class ProtocolError(CicError):
    """A peer's mistake. `status` is the response that the RFC suggests, 0 where none is allowed."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class ResourceError(CicError):
    """The machine has no more of something: ports, file handles, disk."""


class TooLarge(CommandError):
    """A file or a message has more than the switch takes."""


class Later(ResourceError):
    """What could not be done now is to be tried again after `after_s`."""

    def __init__(self, message: str, after_s: float) -> None:
        self.after_s = after_s
        super().__init__(message)
