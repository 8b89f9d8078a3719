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
    "interactions:write": "move, prioritise, steer and end interactions",
    "interactions:self": "see, steer and end the interactions of one's own agent",
    "interactions:monitor": "listen in on calls",
    "interactions:join": "whisper, barge in on calls, and take them over",
    "contacts:write": "hand in contacts of other systems; upload files for any conversation",
    "conversations:start": "write to a customer who has not written",
    "explain:read": "why an interaction waits, why an agent gets what he gets",
    "alerts:read": "alerts on thresholds",
    "alerts:write": "acknowledge them",
    "customers:read": "customers as persons, with their addresses",
    "customers:link": "make one; give one the address of who one's own agent has in hand",
    "customers:write": "make, change, merge, import and remove them",
    "callbacks:read": "who is to be called back",
    "callbacks:order": "have a customer called, now or at a time",
    "callbacks:write": "cancel callbacks; the list of numbers that nobody is to call",
    "calls:read": "the SIP trace of a call",
    "trunks:read": "trunks and devices",
    "codes:read": "pause and wrap-up codes, skills",
    "recordings:read": "recordings and voicemail messages: a list of them",
    "recordings:listen": "listen to them",
    "recordings:self": "see and listen to those of one's own agent",
    "recordings:write": "remove them",
    "prompts:read": "prompts: a list of them, listen to them",
    "prompts:write": "make, replace and remove them",
    "reports:read": "figures of queues, agents and segments",
    "events:read": "the stream of events",
    "events:self": "those of one's own agent",
    "chat:self": "write to colleagues and read what concerns oneself",
    "config:read": "the configuration, without its secrets; webhooks and how they do",
    "config:write": "check and reload the configuration; test and enable webhooks",
    "config:edit": "read and change the files of the configuration, secrets too",
    "tokens:write": "API tokens of one's own",
    "accounts:read": "all accounts with their sessions and tokens",
    "accounts:write": "make, change and remove accounts; end sessions, revoke tokens",
    "audit:read": "who changed what",
}
"""Every scope, and what it allows."""

_AGENT = {
    *("agents:self", "interactions:self", "events:self", "recordings:self"),
    *("queues:read", "codes:read", "tokens:write", "chat:self", "callbacks:order"),
    *("conversations:start", "customers:read", "customers:link"),
}
_PLANNER = {"queues:read", "agents:read", "reports:read", "codes:read", "tokens:write"}
_PLANNER |= {"chat:self"}
_QUALITY = _PLANNER | {
    *("interactions:read", "calls:read", "recordings:read", "recordings:listen"),
    *("interactions:monitor", "customers:read"),
}
_SUPERVISOR = (
    _AGENT
    | _QUALITY
    | {"agents:write", "interactions:write", "explain:read", "trunks:read", "events:read"}
    | {
        "callbacks:read",
        "callbacks:write",
        "interactions:join",
        "contacts:write",
        "callbacks:order",
        "customers:write",
    }
    | {"alerts:read", "alerts:write", "prompts:read"}
)

ROLE_SCOPES: dict[Role, frozenset[str]] = {
    "agent": frozenset(_AGENT),
    "supervisor": frozenset(_SUPERVISOR),
    "quality": frozenset(_QUALITY),
    "planner": frozenset(_PLANNER),
    "administrator": frozenset(SCOPES),
}
