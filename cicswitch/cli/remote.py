"""What the control socket answers, asked of the API: so each command prints the same for both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from cicswitch.api.shapes.agents import AgentView
from cicswitch.api.shapes.callbacks import CallbackView
from cicswitch.api.shapes.customers import ImportItem
from cicswitch.api.shapes.interactions import InteractionView
from cicswitch.cli.target import Target
from cicswitch.client import (
    Client,
    InvalidProblem,
    NotFoundProblem,
    NotSignedInProblem,
)
from cicswitch.core.errors import CommandError

__all__ = ["ask_api"]

T = TypeVar("T")
Asked = Mapping[str, Any]


def ask_api(target: Target, asked: Asked) -> Any:
    """The answer to a request of the control socket. Raises `ApiError`, `CommandError`."""
    return asyncio.run(_asked(target, asked))


async def _asked(target: Target, asked: Asked) -> Any:
    client = Client(
        target.url, token=target.token, timeout_s=target.timeout_s, verify=target.verify
    )
    async with client:
        try:
            return await _ANSWERS[asked["do"]](client, asked)
        except NotSignedInProblem as problem:
            if not target.token:
                told = "give a token by --token-file or CICSWITCH_TOKEN"
            else:
                told = "the token is not known here, has ended, or was revoked"
            raise CommandError(f"{told} ({problem.status})") from None


async def _all(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


# -- what is going on ----------------------------------------------------------------------------


async def _snapshot(api: Client, asked: Asked) -> Any:
    part = asked.get("part", "")
    if part:
        return await _PARTS[part](api)
    health, *found = await asyncio.gather(api.health(), *(each(api) for each in _PARTS.values()))
    return {
        "health": health,
        **dict(zip(_PARTS, found, strict=True)),
        "call_count": health["calls"],
    }


async def _queues(api: Client) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(queue) for queue in await _all(api.queues())]


async def _agents(api: Client) -> list[dict[str, Any]]:
    return [_agent_row(agent) for agent in await _all(api.agents())]


def _agent_row(agent: AgentView) -> dict[str, Any]:
    return {
        "agent": agent.agent,
        "name": agent.name,
        "state": agent.state,
        "since_s": _ago(agent.since),
        "code": agent.code,
        "interaction": agent.interaction,
        "queue": agent.queue,
        "device": agent.device,
    }


async def _calls(api: Client) -> list[dict[str, Any]]:
    found = await _all(api.interactions())
    return [_call_row(each) for each in found if each.started_at is not None]


def _call_row(call: InteractionView) -> dict[str, Any]:
    return {
        "interaction": call.interaction,
        "phase": call.phase,
        "peer": call.peer,
        "caller": call.caller,
        "called": call.called,
        "queue": call.queue,
        "agent": call.agent,
        "step": "",
        "seconds": _ago(call.started_at or 0.0),
    }


async def _trunks(api: Client) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(trunk) for trunk in await _all(api.trunks())]


async def _devices(api: Client) -> list[str]:
    return [each.device for each in await _all(api.devices()) if each.registered]


_PARTS: dict[str, Callable[[Client], Awaitable[Any]]] = {
    "queues": _queues,
    "agents": _agents,
    "calls": _calls,
    "trunks": _trunks,
    "devices": _devices,
}


def _ago(at: float) -> float:
    return round(max(0.0, time.time() - at), 1)


async def _interactions(api: Client, asked: Asked) -> list[dict[str, Any]]:
    chosen = {key: asked[key] for key in ("queue", "state", "agent")}
    return [msgspec.to_builtins(each) for each in await _all(api.interactions(**chosen))]


async def _callbacks(api: Client, asked: Asked) -> list[dict[str, Any]]:
    if name := asked.get("cancel", ""):
        await api.cancel_callback(name)
    return [_callback_row(each) for each in await _all(api.callbacks())]


async def _channels(api: Client, asked: Asked) -> Any:
    if name := asked.get("test", ""):
        return {"channel": name, "found": await api.test_channel(name)}
    return [msgspec.to_builtins(each) for each in await api.channels()]


async def _customers(api: Client, asked: Asked) -> list[Any]:
    found: list[Any] = []
    async for each in api.customers(asked["q"]):
        found.append(msgspec.to_builtins(each))
        if len(found) >= asked["limit"]:
            break
    return found


async def _customer(api: Client, asked: Asked) -> Any:
    return msgspec.to_builtins(await api.customer(asked["customer"]))


async def _import(api: Client, asked: Asked) -> Any:
    items = [msgspec.convert(each, ImportItem) for each in asked["items"]]
    found = await api.import_customers(items, dry_run=asked["dry_run"])
    return msgspec.to_builtins(found)


def _callback_row(each: CallbackView) -> dict[str, Any]:
    return {
        "interaction": each.interaction,
        "queue": each.queue,
        "number": each.number,
        "position": each.position,
        "waited_s": _ago(each.queued_at),
        "attempts": each.attempts,
        "next_in_s": round(max(0.0, each.not_before - time.time()), 1),
        "state": each.state,
    }


async def _explain(api: Client, asked: Asked) -> dict[str, Any]:
    name, language = asked["name"], asked["language"]
    found: Any
    try:
        found = await api.explain_agent(name, language=language)
    except NotFoundProblem:
        try:
            found = await api.explain_interaction(name, language=language)
        except NotFoundProblem:
            told = f'there is no agent and no interaction in the ACD called "{name}"'
            raise CommandError(told) from None
    return {"text": found.text, "explained": msgspec.to_builtins(found.explained)}


async def _trace(api: Client, asked: Asked) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(await api.trace(asked["call"]))
    return found


# -- what is changed -----------------------------------------------------------------------------


async def _agent(api: Client, asked: Asked) -> dict[str, Any]:
    name, code = asked["agent"], asked["code"]
    match asked["action"]:
        case "sign-in":
            if code:
                await api.set_agent_device(name, code)
            found = await api.sign_in_agent(name)
        case "sign-out":
            found = await api.sign_out_agent(name)
        case "ready":
            found = await api.ready(name)
        case "pause":
            found = await api.pause(name, code)
        case _:
            found = await api.wrap_up(name, code)
    return {"agent": name, "state": found.state, "code": found.code, "then": found.then}


async def _waiting(api: Client, asked: Asked) -> Any:
    name = asked["interaction"]
    if "queue" in asked:
        return msgspec.to_builtins(await api.move(name, asked["queue"]))
    return msgspec.to_builtins(await api.prioritise(name, asked["priority"]))


async def _hangup(api: Client, asked: Asked) -> None:
    await api.hang_up(asked["interaction"])


# -- the configuration, and figures --------------------------------------------------------------


async def _reload(api: Client, _: Asked) -> dict[str, Any]:
    try:
        return {"findings": [], "notes": (await api.reload_configuration()).notes}
    except InvalidProblem as problem:
        return {"findings": [error.detail for error in problem.errors], "notes": []}


async def _check(api: Client, asked: Asked) -> list[Any]:
    return list((await api.check_configuration(asked["text"])).findings)


async def _report(api: Client, asked: Asked) -> Any:
    chosen = {key: asked[key] for key in ("since", "until", "by", "service_level")}
    return await api.report(**chosen)


_ANSWERS: dict[str, Callable[[Client, Asked], Awaitable[Any]]] = {
    "snapshot": _snapshot,
    "interactions": _interactions,
    "callbacks": _callbacks,
    "channels": _channels,
    "customers": _customers,
    "customer": _customer,
    "import": _import,
    "explain": _explain,
    "trace": _trace,
    "agent": _agent,
    "waiting": _waiting,
    "hangup": _hangup,
    "reload": _reload,
    "check": _check,
    "report": _report,
}
