"""Roles and the scopes that they have: the one table of who may do what."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["ROLES", "ROLE_SCOPES", "SCOPES", "Role"]

Role = Literal["agent", "supervisor", "quality", "planner", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)

SCOPES = {
    "queues:read": "queues with their figures",
    "agents:read": "all agents and their states",
    "agents:write": "act for any agent; change skills",
    "agents:self": "see one's own agent and act for it",
    "interactions:read": "all interactions, waiting and in progress",
    "interactions:write": "move, prioritise and end interactions",
    "interactions:self": "see and end the interactions of one's own agent",
    "explain:read": "why an interaction waits, why an agent gets what he gets",
    "callbacks:read": "who is to be called back",
    "callbacks:write": "cancel callbacks",
    "calls:read": "the SIP trace of a call",
    "trunks:read": "trunks and devices",
    "codes:read": "pause and wrap-up codes, skills",
    "recordings:read": "recordings and voicemail messages: a list of them",
    "recordings:listen": "listen to them",
    "recordings:self": "see and listen to those of one's own agent",
    "recordings:write": "remove them",
    "reports:read": "figures of queues, agents and segments",
    "events:read": "the stream of events",
    "events:self": "those of one's own agent",
    "config:read": "the configuration, without its secrets; checking one",
    "config:write": "reload the configuration",
    "tokens:write": "API tokens of one's own",
    "accounts:read": "all accounts with their sessions and tokens",
    "accounts:write": "make, change and remove accounts; end sessions, revoke tokens",
    "audit:read": "who changed what",
}
"""Every scope, and what it allows."""

_AGENT = {
    *("agents:self", "interactions:self", "events:self", "recordings:self"),
    *("queues:read", "codes:read", "tokens:write"),
}
_PLANNER = {"queues:read", "agents:read", "reports:read", "codes:read", "tokens:write"}
_QUALITY = _PLANNER | {
    *("interactions:read", "calls:read", "recordings:read", "recordings:listen"),
}
_SUPERVISOR = (
    _AGENT
    | _QUALITY
    | {"agents:write", "interactions:write", "explain:read", "trunks:read", "events:read"}
    | {"callbacks:read", "callbacks:write"}
)

ROLE_SCOPES: dict[Role, frozenset[str]] = {
    "agent": frozenset(_AGENT),
    "supervisor": frozenset(_SUPERVISOR),
    "quality": frozenset(_QUALITY),
    "planner": frozenset(_PLANNER),
    "administrator": frozenset(SCOPES),
}
