"""What a dialplan run asks for: its actions, carried out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from time import gmtime, strftime
from typing import TYPE_CHECKING, Final

import structlog

from cicswitch.calls import events as ev
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import CicError
from cicswitch.dialplan import actions as a
from cicswitch.ports import MediaSource

if TYPE_CHECKING:
    from cicswitch.switch.conductor import Conductor

__all__ = ["Steps"]

log = structlog.get_logger("switch")

_REASONS: Final = {
    "normal": Reason.NORMAL,
    "busy": Reason.BUSY,
    "rejected": Reason.REJECTED,
    "not-found": Reason.NOT_FOUND,
    "unavailable": Reason.UNAVAILABLE,
    "congestion": Reason.CONGESTION,
}


class Steps:
    """Carries out the actions of runs."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    def execute(self, call: Call, actions: Sequence[a.Action]) -> None:
        """Carry out actions in order. The run may be over, and the call with it, after any."""
        for action in actions:
            if call.phase is Phase.OVER:
                return
            self._one(call, action)

    def _one(self, call: Call, action: a.Action) -> None:
        c, now = self._c, self._c.now
        match action:
            case a.DialTargets():
                c.dialling.start(
                    call, action.targets, action.timeout_s, action.music, action.record
                )
            case a.AnswerCall():
                call.customer.answer(now)
            case a.PlayPrompts():
                if action.early:
                    call.customer.ring(now, early_media=True)
                if not c.listening.prompts(call, action.prompts, action.language):
                    self._played(call)
            case a.SpeakText():
                c.env.tasks.spawn(f"say {call.id}", self._say(call, action))
            case a.StopPlaying():
                c.listening.stop(call)
            case a.SetTimer():
                self.clear_timers(call)
                call.timer = c.later(action.seconds, lambda: self._timed_out(call))
            case a.ClearTimer():
                self.clear_timers(call)
            case a.EnterQueue():
                c.queueing.enter(call, action)
            case a.EnterCallback():
                c.callbacks.ask(call, action)
            case a.EnterVoicemail():
                self._voicemail(call, action)
            case a.TransferCall():
                c.transfers.step(call, action.to, action.refer)
            case a.CallPython():
                c.env.tasks.spawn(f"python {action.name}", self._python(call, action))
            case a.ReceiveFax():
                c.faxes.receive(call, action)
            case a.EndCall():
                c.end(call, _REASONS.get(action.reason, Reason.NORMAL))

    def clear_timers(self, call: Call) -> None:
        """Forget the call's timers."""
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None
        self._c.waiting.end(call)

    def _timed_out(self, call: Call) -> None:
        call.timer = None
        if call.run is not None and call.phase is Phase.DIALPLAN:
            self.execute(call, call.run.timed_out(self._c.now))
        elif call.phase is Phase.VOICEMAIL:
            self.end_voicemail(call)

    def _played(self, call: Call) -> None:
        if call.run is not None and call.phase is Phase.DIALPLAN:
            self.execute(call, call.run.played(self._c.now))

    async def _say(self, call: Call, action: a.SpeakText) -> None:
        run = call.run
        try:
            path = await self._c.env.speech.synthesize(action.text, action.language)
        except CicError as error:
            failure = str(error)
            self._c.run_soon(lambda: self._unsaid(call, action.text, failure))
            return

        def play() -> None:
            if call.run is run and call.phase is Phase.DIALPLAN:
                self._c.listening.sources(call, [MediaSource(path=str(path))])

        self._c.run_soon(play)

    def _unsaid(self, call: Call, text: str, error: str) -> None:
        if call.phase is Phase.OVER:
            return
        self._c.emit(ev.AnnouncementFailed(self._c.now, call.id, text, error))
        self._played(call)

    async def _python(self, call: Call, action: a.CallPython) -> None:
        run, function = call.run, self._c.env.functions.get(action.name)
        target, failed = "", function is None
        if function is not None:
            try:
                result = function(call, **action.arguments)
                if inspect.isawaitable(result):
                    result = await result
                target = result or ""
            except Exception:
                # An embedder's mistake is his to see, and the dialplan's `on_failed` to answer.
                self._c.counters["errors"] += 1
                log.exception("python_step_failed", step=action.name, interaction_id=call.id)
                failed = True
        else:
            self._c.counters["errors"] += 1
            log.error("python_step_unknown", step=action.name, interaction_id=call.id)

        def proceed() -> None:
            if call.run is not run or run is None or call.phase is not Phase.DIALPLAN:
                return
            now = self._c.now
            done = run.outcome("failed", now) if failed else run.returned(str(target), now)
            self.execute(call, done)

        self._c.run_soon(proceed)

    # -- voicemail -------------------------------------------------------------------------------

    def _voicemail(self, call: Call, action: a.EnterVoicemail) -> None:
        c = self._c
        if not c.env.can_record():
            assert call.run is not None
            self.execute(call, call.run.outcome("failed", c.now))
            return
        caller = re.sub(r"[^0-9A-Za-z+]", "", call.caller)[:32] or "unknown"
        name = f"{strftime('%Y%m%d-%H%M%S', gmtime(c.now))}-{caller}-{call.id}.wav"
        path = Path(c.env.voicemail, action.box, name)
        call.voicemail = (action.box, str(path), action.finish)
        call.phase = Phase.VOICEMAIL
        call.timer = c.later(action.most_s, lambda: self._timed_out(call))
        if not c.listening.prompts(call, ("tone:1000/400",), ""):
            self.begin_voicemail(call)

    def begin_voicemail(self, call: Call) -> None:
        """The beep is over: record."""
        if call.voicemail is not None and not call.recording:
            box, path, _ = call.voicemail
            call.recordings += 1
            name = f"{call.id}-{call.recordings}"
            call.recording = f"{name}-vm:{box}"
            self._c.env.media.record(call.customer.id, call.recording, Path(path))
            self._c.emit(ev.VoicemailStarted(self._c.now, call.id, box, name, path))

    def end_voicemail(self, call: Call, outcome: str = "ended") -> None:
        """The message is complete or failed: the run goes on, if the caller is still there."""
        call.voicemail = None
        self._c.listening.stop(call)
        self._c.listening.stop_recording(call)
        self.clear_timers(call)
        if call.phase is Phase.VOICEMAIL and call.run is not None:
            call.phase = Phase.DIALPLAN
            self.execute(call, call.run.outcome(outcome, self._c.now))
