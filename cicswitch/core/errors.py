"""The errors of cicswitch.

    CicError
    ├── ConfigError        a user's mistake in TOML; carries every Finding, not the first
    ├── CommandError       a command that cannot be carried out; changes nothing
    │   ├── NotFound       the agent, queue, call or leg named is not there
    │   └── Conflict       it is there, but not in a state that allows the command
    ├── ProtocolError      a peer broke a protocol; `status` is the answer the RFC suggests
    └── ResourceError      the machine refused: a port taken, no file handle, a full disk

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
    "NotFound",
    "ProtocolError",
    "ResourceError",
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


class ProtocolError(CicError):
    """A peer's mistake. `status` is the response that the RFC suggests, 0 where none is allowed."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class ResourceError(CicError):
    """The machine has no more of something: ports, file handles, disk."""
