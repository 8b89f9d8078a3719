"""Webhooks: how they do, a test message, and going on after 410."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, page_of
from cicswitch.api.shapes.webhooks import WebhookTested, WebhookView
from cicswitch.core.errors import Conflict

if TYPE_CHECKING:
    from cicswitch.webhooks.hook import Hook

__all__ = ["WebhookTested", "WebhookView"]


@endpoint("GET", "/webhooks", scopes="config:read")
async def webhooks(ask: Ask, query: Paging) -> Page[WebhookView]:
    """All webhooks by name."""
    hooks = ask.api.sources.webhooks.hooks
    return page_of(sorted(hooks), query, lambda name: _view(ask, hooks[name]))


@endpoint("GET", "/webhooks/{webhook}", scopes="config:read")
async def webhook(ask: Ask, webhook: str) -> WebhookView:
    """A webhook."""
    return _view(ask, ask.api.sources.webhooks.hook(webhook))


@endpoint("POST", "/webhooks/{webhook}/test", scopes="config:write")
async def test(ask: Ask, webhook: str) -> WebhookTested:
    """Send a message of the type WebhookTest now, once, beside the events that wait."""
    outcome, took_s = await ask.api.sources.webhooks.test(webhook)
    told = {"status": outcome.status, "error": outcome.error}
    await ask.note("webhook.test", webhook, None, told)
    return WebhookTested(
        delivered=not outcome.error,
        status=outcome.status,
        error=outcome.error,
        took_s=round(took_s, 3),
    )


@endpoint("POST", "/webhooks/{webhook}/enable", scopes="config:write", errors=(409,))
async def enable(ask: Ask, webhook: str) -> WebhookView:
    """Send again after the receiver has answered 410, from the event that it refused."""
    hook = ask.api.sources.webhooks.hook(webhook)
    if hook.figures.state != "disabled":
        raise Conflict("it is not disabled")
    hook.enable()
    await ask.note("webhook.enable", webhook)
    return _view(ask, hook)


def _view(ask: Ask, hook: Hook) -> WebhookView:
    figures, config = hook.figures, hook.config
    return WebhookView(
        webhook=config.name,
        url=hook.address,
        events=list(config.events),
        queues=list(config.queues),
        agents=list(config.agents),
        state=figures.state,
        lag_s=round(hook.lag_s(ask.now), 1),
        delivered=figures.delivered,
        failures=figures.failures,
        skipped=figures.skipped,
        attempts=figures.attempts,
        last_success_at=figures.last_success_at or None,
        last_failure_at=figures.last_failure_at or None,
        last_error=figures.last_error,
        next_attempt_at=figures.next_at or None,
    )
