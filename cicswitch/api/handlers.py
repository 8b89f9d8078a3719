"""What the control socket can do, by the name in `do`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cicswitch.acd import commands as acd
from cicswitch.acd.explain import of_agent, of_interaction
from cicswitch.acd.explain_text import text
from cicswitch.api.control import Handler
from cicswitch.api.importing import take
from cicswitch.api.shapes.customers import ImportItem
from cicswitch.api.snapshot import health, quality_of, snapshot
from cicswitch.api.views import channel_views, customer_view, interaction_view, tested
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import CommandError, ConfigError, NotFound
from cicswitch.people import Person

if TYPE_CHECKING:
    from cicswitch.daemon import Switch

__all__ = ["explain", "handlers_of"]

_AT_ONCE: Final = 5_000
"""Customers that are looked at before calls have their turn."""


def handlers_of(switch: Switch) -> dict[str, Handler]:
    """The handlers of a switch."""

    def ping(_: Mapping[str, Any]) -> dict[str, Any]:
        return {"pid": os.getpid()}

    def agent(asked: Mapping[str, Any]) -> dict[str, Any]:
        name, action, code = asked["agent"], asked["action"], asked.get("code", "")
        codes = switch.config.codes
        command: acd.Command
        match action:
            case "sign-in":
                conductor, device = switch.conductor, asked.get("code", "")
                if device:
                    conductor.do(lambda: conductor.workplaces.take(name, device))
                conductor.workplaces.check(name)
                command = acd.SignIn(name)
            case "sign-out":
                command = acd.SignOut(name)
            case "ready":
                command = acd.Ready(name)
            case "pause":
                _known("pause code", code, codes.pause.values(), empty=True)
                command = acd.Pause(name, code)
            case "wrap-up":
                _known("wrap-up code", code, codes.wrap_up.values())
                command = acd.WrapUp(name, code)
            case _:
                raise CommandError(f'unknown action "{action}"')
        switch.command(command)
        found = switch.engine.agents[name]
        then = found.then
        if then == "pause":
            then = found.away_code or then
        return {"agent": name, "state": found.state.word, "code": found.code, "then": then}

    def reload(_: Mapping[str, Any]) -> dict[str, Any]:
        try:
            notes = switch.reload_file()
        except ConfigError as error:
            return {"findings": [str(finding) for finding in error.findings], "notes": []}
        return {"findings": [], "notes": notes}

    def hangup(asked: Mapping[str, Any]) -> None:
        call = switch.conductor.calls.get(asked["interaction"])
        if call is None:
            raise NotFound(f'there is no call "{asked["interaction"]}"')
        switch.conductor.run_soon(lambda: switch.conductor.end(call, Reason.NORMAL))

    def callbacks(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        if name := asked.get("cancel", ""):
            switch.conductor.callbacks.cancel(name)
        return switch.conductor.callbacks.waiting(switch.clock.now())

    async def channels(asked: Mapping[str, Any]) -> Any:
        if name := asked.get("test", ""):
            return msgspec.to_builtins(await tested(switch, name))
        return [msgspec.to_builtins(each) for each in channel_views(switch)]

    async def customers(asked: Mapping[str, Any]) -> list[Any]:
        wanted, found = str(asked["q"]).lower(), list[Person]()
        for number, person in enumerate(list(switch.conductor.people.by_id.values()), 1):
            if not wanted or wanted in f"{person.name}\n{person.addresses}{person.fields}".lower():
                found.append(person)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        found.sort(key=lambda person: (person.name.lower(), person.id))
        return [msgspec.to_builtins(customer_view(each)) for each in found[: int(asked["limit"])]]

    def customer(asked: Mapping[str, Any]) -> Any:
        people, name = switch.conductor.people, str(asked["customer"])
        found = people.by_id.get(name) or people.owner(name) or people.of(name)
        return msgspec.to_builtins(customer_view(found))

    async def bring(asked: Mapping[str, Any]) -> Any:
        items = msgspec.convert(asked["items"], list[ImportItem])
        conductor, dry_run = switch.conductor, bool(asked.get("dry_run"))
        found = conductor.do(lambda: take(conductor, items, "control", dry_run=dry_run))
        await conductor.contacts.stored()
        return msgspec.to_builtins(found)

    def trace(asked: Mapping[str, Any]) -> dict[str, Any]:
        name = asked["call"]
        legs = [
            {"leg": leg.id, "ladder": switch.sip.ladder.raw(leg.sip_call_id).hex()}
            for call in switch.conductor.calls.values()
            for leg in (call.customer, call.other, *call.ringing.values(), *call.guest_legs())
            if leg is not None and name in (call.id, leg.id, leg.sip_call_id)
        ]
        return {"legs": legs, "quality": quality_of(switch, name)}

    def interactions(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        wanted = {key: asked[key] for key in ("queue", "state", "agent") if asked.get(key)}
        names = sorted({*switch.conductor.calls, *switch.engine.interactions})
        views = (interaction_view(switch, name) for name in names)
        return [
            msgspec.to_builtins(view)
            for view in views
            if view is not None and all(getattr(view, key) == wanted[key] for key in wanted)
        ]

    def waiting(asked: Mapping[str, Any]) -> dict[str, Any]:
        name = asked["interaction"]
        if "queue" in asked:
            switch.command(acd.Move(name, asked["queue"]))
        else:
            switch.command(acd.Prioritise(name, int(asked["priority"])))
        found = switch.engine.interactions.get(name)
        return {
            "interaction": name,
            "queue": found.queue.name if found is not None else "",
            "position": switch.engine.position(name),
        }

    return {
        "ping": ping,
        "explain": lambda asked: explain(switch, asked["name"], asked.get("language", "en")),
        "waiting": waiting,
        "health": lambda _: health(switch),
        "snapshot": lambda _: snapshot(switch),
        "agent": agent,
        "reload": reload,
        "hangup": hangup,
        "interactions": interactions,
        "callbacks": callbacks,
        "channels": channels,
        "customers": customers,
        "customer": customer,
        "import": bring,
        "trace": trace,
        "tables": lambda _: switch.tables(),
        "timers": lambda _: len(switch.wheel),
        "blocks": lambda _: switch.blocks(),
    }


def explain(switch: Switch, name: str, language: str) -> dict[str, Any]:
    """Why an agent or an interaction gets what it gets, as values and as sentences.

    Raises `NotFound`.
    """
    engine, now = switch.engine, switch.clock.now()
    if name in engine.agents:
        explained: Any = of_agent(engine, name, now, language)
    elif name in engine.interactions:
        explained = of_interaction(engine, name, now, language)
    else:
        raise NotFound(f'there is no agent and no interaction in the ACD called "{name}"')
    return {"text": text(explained), "explained": msgspec.to_builtins(explained)}


def _known(what: str, code: str, codes: Any, *, empty: bool = False) -> None:
    if code not in codes and not (empty and not code):
        raise CommandError(f'unknown {what} "{code}" (known: {", ".join(sorted(codes))})')
