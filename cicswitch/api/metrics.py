"""Prometheus metrics, read from the switch when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from cicswitch.acd.agent import AgentState
from cicswitch.api.snapshot import health
from cicswitch.core.version import BUILD, __version__
from cicswitch.records.scores import BOUNDS

if TYPE_CHECKING:
    from cicswitch.daemon import Switch
    from cicswitch.webhooks import Webhooks

__all__ = ["registry_of"]


class _Collector:
    def __init__(self, switch: Switch, webhooks: Webhooks | None) -> None:
        self._switch = switch
        self._webhooks = webhooks

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
        faxes = CounterMetricFamily("cicswitch_faxes", "Faxes that are over", labels=["outcome"])
        for key, value in conductor.faxes.counters.items():
            faxes.add_metric([key], value)
        yield faxes
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
        browsers = GaugeMetricFamily("cicswitch_webrtc", "Figures of browsers", labels=["kind"])
        if switch.browsers is not None:
            for key, number in switch.browsers.figures().items():
                browsers.add_metric([key], number)
            browsers.add_metric(["visitors"], len(switch.sip.guests))
        yield browsers
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

        alerts = GaugeMetricFamily(
            "cicswitch_alert",
            "1 while an alert is open",
            labels=["name", "subject", "severity", "acknowledged"],
        )
        for alert in switch.alerting.alerts:
            acknowledged = "yes" if alert.acknowledged_by else "no"
            alerts.add_metric([alert.name, alert.subject, alert.severity, acknowledged], 1)
        yield alerts
        yield from self._hooks(now)
        quality = HistogramMetricFamily(
            "cicswitch_leg_mos",
            "Estimated MOS of legs that have ended, of their worse direction",
            labels=["peer"],
        )
        for peer, counts in switch.scores.counts.items():
            totals = [sum(counts[: n + 1]) for n in range(len(counts))]
            buckets = [(str(bound), total) for bound, total in zip(BOUNDS, totals, strict=True)]
            quality.add_metric(
                [peer], [*buckets, ("+Inf", totals[-1])], round(switch.scores.sums[peer], 6)
            )
        yield quality

    def _hooks(self, now: float) -> Iterator[Metric]:
        """Of the webhooks."""
        labels = ["webhook"]
        counters = [
            CounterMetricFamily(
                "cicswitch_webhook_delivered", "Events acknowledged", labels=labels
            ),
            CounterMetricFamily(
                "cicswitch_webhook_failures", "Attempts that were not acknowledged", labels=labels
            ),
            CounterMetricFamily(
                "cicswitch_webhook_skipped", "Events given up after max_attempts", labels=labels
            ),
        ]
        lag = GaugeMetricFamily(
            "cicswitch_webhook_lag_seconds",
            "Age of the event in hand, 0 if all are delivered",
            labels=labels,
        )
        enabled = GaugeMetricFamily(
            "cicswitch_webhook_enabled", "0 after the receiver has answered 410", labels=labels
        )
        success = GaugeMetricFamily(
            "cicswitch_webhook_last_success_timestamp_seconds",
            "When an event was last acknowledged, 0: never",
            labels=labels,
        )
        for name, hook in self._webhooks.hooks.items() if self._webhooks is not None else ():
            figures = hook.figures
            values = (figures.delivered, figures.failures, figures.skipped)
            for counter, value in zip(counters, values, strict=True):
                counter.add_metric([name], value)
            lag.add_metric([name], hook.lag_s(now))
            enabled.add_metric([name], int(figures.state != "disabled"))
            success.add_metric([name], figures.last_success_at)
        yield from (*counters, lag, enabled, success)

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


def registry_of(switch: Switch, webhooks: Webhooks | None = None) -> CollectorRegistry:
    """A registry with the metrics of the switch, its webhooks and its process."""
    registry = CollectorRegistry()
    registry.register(_Collector(switch, webhooks))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
