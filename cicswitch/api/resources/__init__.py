"""The endpoints, a module for each kind of thing. Importing this registers all of them."""

from cicswitch.api.resources import (
    accounts,
    agents,
    audit,
    callbacks,
    calls,
    configuration,
    interactions,
    me,
    queues,
    recordings,
    reports,
    sessions,
    tokens,
    trunks,
)

__all__ = [
    "accounts",
    "agents",
    "audit",
    "callbacks",
    "calls",
    "configuration",
    "interactions",
    "me",
    "queues",
    "recordings",
    "reports",
    "sessions",
    "tokens",
    "trunks",
]
