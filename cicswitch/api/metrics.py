"""Prometheus metrics, read from the switch when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)

from cicswitch.acd.agent import AgentState
from cicswitch.api.snapshot import health
from cicswitch.core.version import BUILD, __version__

if TYPE_CHECKING:
    from cicswitch.daemon import Switch

__all__ = ["registry_of"]


class _Collector:
    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def collect(self) -> Iterator[Metric]:
        switch = self._switch
        conductor, engine, now = switch.conductor, switch.engine, switch.clock.now()
        yield InfoMetricFamily(
            "cicswitch_build", "Version", {"version": __version__, "build": BUILD}
        )
        state = health(switch)
        yield GaugeMetricFamily("cicswitch_up", "1 while nothing is degraded", int(state["ok"]))
        yield GaugeMetricFamily("cicswitch_calls", "Calls in progress", len(conductor.calls))
        yield GaugeMetricFamily("cicswitch_legs", "Call legs in progress", switch.sip.legs)
        for key, value in switch.counters.items():
            yield CounterMetricFamily(f"cicswitch_calls_{key}", f"Calls: {key}", value)
        yield CounterMetricFamily(
            "cicswitch_calls_overload", "Calls refused by overload control", switch.gate.refused
        )
        yield GaugeMetricFamily(
            "cicswitch_loop_lag_seconds", "Smoothed lag of the event loop", switch.gate.lag_s
        )
        yield GaugeMetricFamily(
            "cicswitch_loop_lag_max_seconds",
            "Greatest lag since the last scrape",
            switch.gate.take_max(),
        )
        yield CounterMetricFamily(
            "cicswitch_acd_invariants_broken", "Mistakes of the ACD; see the log", engine.breached
        )
        yield CounterMetricFamily(
            "cicswitch_acd_policy_failures",
            "Times that the fallback of a policy in Python decided",
            engine.policy_failures,
        )
        sip = CounterMetricFamily("cicswitch_sip_messages", "SIP counters", labels=["kind"])
        for key, value in {**switch.sip.agent.counters, **switch.sip.counters}.items():
            sip.add_metric([key], value)
        for key, value in switch.sip.transports.counters.items():
            sip.add_metric([key], value)
        yield sip
        table = GaugeMetricFamily("cicswitch_table_size", "Entries of tables", labels=["table"])
        for key, value in switch.tables().items():
            table.add_metric([key], value)
        yield table
        yield from self._queues(now)
        agents = GaugeMetricFamily("cicswitch_agents", "Agents by state", labels=["state"])
        states = Counter(agent.state for agent in engine.agents.values())
        for agent_state in AgentState:
            agents.add_metric([agent_state.word], states.get(agent_state, 0))
        yield agents
        media = GaugeMetricFamily("cicswitch_media", "Media plane figures", labels=["kind"])
        for key, number in switch.media.figures().items():
            media.add_metric([key], number)
        yield media
        yield GaugeMetricFamily(
            "cicswitch_journal_pending", "Events not on disk yet", switch.store.pending
        )
        yield CounterMetricFamily(
            "cicswitch_journal_committed", "Events on disk", switch.store.committed_events
        )
        yield CounterMetricFamily("cicswitch_journal_lost", "Events lost", switch.store.lost)
        yield GaugeMetricFamily(
            "cicswitch_gc_pause_max_seconds", "Longest collector pause", switch.gc_pause_max_s
        )
        blocks = GaugeMetricFamily(
            "cicswitch_memory_blocks", "Blocks that Python has handed out", labels=["process"]
        )
        for key, value in switch.blocks().items():
            blocks.add_metric([key], value)
        yield blocks
        trunks = GaugeMetricFamily("cicswitch_trunk_up", "1 while it answers", labels=["trunk"])
        for name, trunk in switch.sip.trunks.by_name.items():
            trunks.add_metric([name], int(trunk.up))
        yield trunks
        yield GaugeMetricFamily(
            "cicswitch_devices_registered",
            "Registered phones",
            len(switch.sip.devices.registered()),
        )

    def _queues(self, now: float) -> Iterator[Metric]:
        switch, engine = self._switch, self._switch.engine
        waiting = GaugeMetricFamily(
            "cicswitch_queue_waiting", "Interactions waiting", labels=["queue"]
        )
        callbacks = GaugeMetricFamily(
            "cicswitch_queue_callbacks", "Customers to be called back", labels=["queue"]
        )
        longest = GaugeMetricFamily(
            "cicswitch_queue_longest_wait_seconds", "Longest current wait", labels=["queue"]
        )
        signed_in = GaugeMetricFamily(
            "cicswitch_queue_agents", "Agents who can serve it", labels=["queue", "state"]
        )
        totals = CounterMetricFamily(
            "cicswitch_queue_interactions", "Since midnight UTC", labels=["queue", "outcome"]
        )
        level = GaugeMetricFamily(
            "cicswitch_queue_service_level", "answered_or_abandoned, today", labels=["queue"]
        )
        ewt = GaugeMetricFamily(
            "cicswitch_queue_ewt_seconds",
            "Estimated wait of the next to join",
            labels=["queue", "quantile"],
        )
        error = GaugeMetricFamily(
            "cicswitch_queue_ewt_error_seconds", "Mean error of its P50", labels=["queue"]
        )
        covered = GaugeMetricFamily(
            "cicswitch_queue_ewt_covered", "Share that waited no longer than P90", labels=["queue"]
        )
        is_open = GaugeMetricFamily(
            "cicswitch_queue_open", "1 while it takes interactions", labels=["queue"]
        )
        for name, each in engine.queues.items():
            is_open.add_metric([name], int(not each.closed))
            estimate = switch.conductor.estimator.of(name, now)
            ewt.add_metric([name, "0.5"], estimate.p50_s)
            ewt.add_metric([name, "0.9"], estimate.p90_s)
            if name in switch.conductor.estimator.error_s:
                error.add_metric([name], switch.conductor.estimator.error_s[name])
                covered.add_metric([name], switch.conductor.estimator.covered[name])
            view, today = engine.view(name, now), switch.today.queue(name)
            waiting.add_metric([name], view.waiting)
            longest.add_metric([name], view.longest_wait_s)
            callbacks.add_metric([name], len(engine.queue(name).away))
            signed_in.add_metric([name, "idle"], view.idle)
            signed_in.add_metric([name, "signed-in"], view.signed_in)
            for outcome in ("offered", "answered", "abandoned", "flowed_out"):
                totals.add_metric([name, outcome], today[outcome])
            if today["service_level"] is not None:
                level.add_metric([name], today["service_level"])
        yield from (
            is_open,
            waiting,
            callbacks,
            longest,
            signed_in,
            totals,
            level,
            ewt,
            error,
            covered,
        )


def registry_of(switch: Switch) -> CollectorRegistry:
    """A registry with the switch's metrics and those of its process."""
    registry = CollectorRegistry()
    registry.register(_Collector(switch))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
