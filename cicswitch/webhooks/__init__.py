"""Webhooks: events of the journal, sent by HTTP to whoever the configuration names.

    waiting ──event──▶ sending ──2xx──▶ waiting
                          │ ▲
             anything else│ │after a pause that grows, or Retry-After
                          ▼ │
                       retrying ──410──▶ disabled ──enable, or another URL──▶ waiting

Authority. A hook reads what the store has committed and nothing else: an event that is sent is on
the disk. Where a hook is in the journal is in a file of its own beside the store, written when an
event was acknowledged (2xx) and before the next one is sent. So after kill -9 the event in hand is
sent again, and none is left out: at least once, in the order of the journal.

Failure. A receiver that does not answer holds up its own hook, and no call: reading is in a thread
by SQL, sending is one request at a time and 250 a second of all hooks, and what is in memory is at
most a page of the journal. A
place that cannot be written (a full disk) is told in the log; sending goes on, and a restart sends
again what came after the place that is on the disk. A journal that cannot be read is tried again.

signature (in core)   how a message is signed
place      where a hook is in the journal, on the disk
reader     the events after a place
sender     one attempt
hook       one hook: its loop, its pauses, its figures
hooks      all of them: start, reload, stop
"""

from cicswitch.webhooks.hooks import Webhooks

__all__ = ["Webhooks"]
