"""What is going on right now, as one plain structure: for `top`, `/health` and `status --json`."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from cicswitch.acd.agent import AgentState
from cicswitch.records.scores import FIELDS
from cicswitch.runtime import log

if TYPE_CHECKING:
    from cicswitch.daemon import Switch

__all__ = ["health", "quality_of", "snapshot"]


def quality_of(switch: Switch, call: str) -> list[dict[str, Any]]:
    """How the legs of a live call sound, as of their last reports."""
    found = []
    for each in switch.conductor.calls.values():
        for leg in (each.customer, each.other, *each.ringing.values(), *each.guest_legs()):
            if leg is None or call not in (each.id, leg.id, leg.sip_call_id):
                continue
            stats = switch.media.stats(leg.id)
            if stats is not None:
                figures = {name: getattr(stats, name) for name in FIELDS}
                found.append({"leg": leg.id, "peer": leg.peer, "live": True, **figures})
    return found


def health(switch: Switch) -> dict[str, Any]:
    """`ok`, and what is degraded with its reason."""
    degraded = dict(switch.degraded)
    for name, trunk in switch.sip.trunks.by_name.items():
        if not trunk.up:
            degraded[f"trunk {name}"] = trunk.reason
    if lost := log.failure():
        degraded["log"] = lost
    figures = switch.media.figures()
    if not figures.get("workers", 1):
        degraded["media"] = "no media worker is running"
    if switch.store.lost:
        degraded["journal"] = f"{switch.store.lost} events were lost"
    return {
        "ok": not degraded,
        "degraded": degraded,
        "draining": switch.conductor.draining,
        "uptime_s": round(switch.clock.now() - switch.started_at, 1),
        "calls": len(switch.conductor.calls),
    }


def _seconds(value: float) -> float | None:
    """None where nobody could ever serve."""
    return round(value, 1) if isfinite(value) else None


def snapshot(switch: Switch) -> dict[str, Any]:
    """Queues, agents, calls, trunks and devices."""
    now = switch.clock.now()
    engine, conductor = switch.engine, switch.conductor
    queues = []
    for name in engine.queues:
        view = engine.view(name, now)
        today = switch.today.queue(name)
        ewt = switch.conductor.estimator.of(name, now)
        queues.append(
            {
                "queue": name,
                "open": not engine.queues[name].closed,
                "waiting": view.waiting,
                "callbacks": len(engine.queue(name).away),
                "longest_wait_s": round(view.longest_wait_s, 1),
                "ewt_p50_s": _seconds(ewt.p50_s),
                "ewt_p90_s": _seconds(ewt.p90_s),
                "idle": view.idle,
                "signed_in": view.signed_in,
                **today,
            }
        )
    agents = [
        {
            "agent": agent.id,
            "name": agent.name or agent.id,
            "state": agent.state.word,
            "since_s": round(now - agent.since, 1),
            "code": agent.code,
            "interaction": agent.interaction,
            "queue": agent.queue,
            "device": next((d for d, a in conductor.agent_of.items() if a == agent.id), ""),
        }
        for agent in engine.agents.values()
    ]
    calls = [
        {
            "interaction": call.id,
            "phase": call.phase.name.lower(),
            "peer": call.peer,
            "caller": call.caller,
            "called": call.called,
            "queue": call.queue,
            "agent": call.agent,
            "step": call.run.where if call.run is not None else "",
            "seconds": round(now - call.started_at, 1),
            "recording": bool(call.recording),
        }
        for call in list(conductor.calls.values())[:500]
    ]
    return {
        "health": health(switch),
        "queues": queues,
        "agents": agents,
        "calls": calls,
        "call_count": len(conductor.calls),
        "alerts": [
            {
                "name": alert.name,
                "subject": alert.subject,
                "figure": alert.figure,
                "value": alert.value,
                "severity": alert.severity,
                "since": alert.raised_at,
                "acknowledged_by": alert.acknowledged_by,
            }
            for alert in switch.alerting.alerts
        ][:100],
        "callbacks": conductor.callbacks.waiting(now)[:500],
        "agent_count": sum(a.state is not AgentState.OFFLINE for a in engine.agents.values()),
        "trunks": [
            {
                "trunk": name,
                "up": trunk.up,
                "calls": trunk.calls,
                "address": trunk.config.address,
                "at": "" if trunk.remote is None else trunk.remote[0],
                "problem": trunk.problem,
            }
            for name, trunk in switch.sip.trunks.by_name.items()
        ],
        "devices": switch.sip.devices.registered(),
        "lag_ms": round(switch.gate.lag_s * 1000, 2),
        "counters": switch.counters,
    }
