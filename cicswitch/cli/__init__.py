"""The command line. Exit status: 0 done, 1 it failed (the reason is one line), 2 wrong usage.

`base` has what commands share; each other module registers its own.
"""

from __future__ import annotations

import os
import sys

from cicswitch.cli.base import app
from cicswitch.core.errors import CicError, ConfigError

# The order of the commands in the help.
# isort: off
from cicswitch.cli import (
    running,
    agents,
    customers,
    looking,
    figures,
    stores,
    accounts,
    simulating,
    dialplans,
    tools,
)
# isort: on

__all__ = [
    "accounts",
    "agents",
    "app",
    "customers",
    "dialplans",
    "figures",
    "looking",
    "main",
    "running",
    "simulating",
    "stores",
    "tools",
]


def main() -> None:
    """The entry point of the command."""
    try:
        app()
    except ConfigError as error:
        for finding in error.findings:
            print(finding, file=sys.stderr)
        raise SystemExit(1) from None
    except CicError as error:
        print(f"cicswitch: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has had enough
        raise SystemExit(0) from None
