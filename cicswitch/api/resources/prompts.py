"""Prompts: listed, listened to, made of a file or a text, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cicswitch.api.endpoint import Answer, Ask, endpoint
from cicswitch.api.paging import Page, page_of
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.sending import Flow, room
from cicswitch.api.shapes.prompts import PromptFile, PromptQuery, PromptText, PromptView

if TYPE_CHECKING:
    from cicswitch.prompts import Prompt

__all__ = ["PromptFile", "PromptQuery", "PromptText", "PromptView"]

_PATH = "/prompts/{language}/{prompt}"
_SEE, _CHANGE = "prompts:read", "prompts:write"
_LARGEST = 10 << 20


@endpoint("GET", "/prompts", scopes=_SEE)
async def prompts(ask: Ask, query: PromptQuery) -> Page[PromptView]:
    """All prompts by language and name."""
    found = {
        f"{each.language}/{each.name}": each
        for each in await ask.api.sources.prompts.all()
        if query.language in ("", each.language)
    }
    return page_of(sorted(found), query, lambda key: _view(found[key]))


@endpoint("GET", _PATH, scopes=_SEE, tagged=True)
async def prompt(ask: Ask, language: str, prompt: str) -> PromptView:
    """One of them."""
    return _view(await ask.api.sources.prompts.find(language, prompt))


@endpoint("GET", _PATH + "/audio", scopes=_SEE, media_type="audio/wav")
async def audio(ask: Ask, language: str, prompt: str) -> Answer[Flow]:
    """Its sound, a WAV file."""
    found = await ask.api.sources.prompts.find(language, prompt)
    room()
    sound = _Bytes(await ask.api.sources.prompts.sound(found))
    headers = {"Content-Type": "audio/wav"}
    return Answer(Flow(sound, 0, len(sound.raw)), 200, headers)


@endpoint("PUT", _PATH, scopes=_CHANGE, tagged=True, errors=(412,), body_limit=15 << 20)
async def put(ask: Ask, language: str, prompt: str, body: PromptFile) -> PromptView:
    """Make or replace a prompt by a WAV file. The next call gets it; what was there is kept."""
    if len(body.wav) > _LARGEST:
        error = FieldError(pointer="/wav", expected=f"{_LARGEST >> 20} MiB at most")
        raise Problem(422, "the file is too large", errors=[error])
    source = ask.api.sources.prompts
    made, backup = await source.put(language, prompt, body.wav, body.transcript, _match(ask))
    return await _noted(ask, "prompt.upload", made, backup)


@endpoint("POST", _PATH + "/speak", scopes=_CHANGE, tagged=True, errors=(412,), repeatable=False)
async def speak(ask: Ask, language: str, prompt: str, body: PromptText) -> PromptView:
    """Make or replace a prompt by a text that espeak-ng speaks."""
    if not body.text.strip():
        error = FieldError(pointer="/text", expected="words")
        raise Problem(422, "there is nothing to speak", errors=[error])
    source = ask.api.sources.prompts
    made, backup = await source.speak(language, prompt, body.text, _match(ask))
    return await _noted(ask, "prompt.speak", made, backup)


@endpoint("DELETE", _PATH, scopes=_CHANGE, errors=(409, 412))
async def remove(ask: Ask, language: str, prompt: str) -> None:
    """Remove a prompt that was made here and is not used; a built-in one of its name is back."""
    gone, backup = await ask.api.sources.prompts.remove(language, prompt, _match(ask))
    told = {"duration_s": gone.duration_s, "transcript": gone.transcript}
    await ask.note("prompt.remove", f"{language}/{prompt}", told, {"backup": backup})


class _Bytes:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    async def read(self, count: int, at: int) -> bytes:
        """A piece of it."""
        return self.raw[at : at + count]

    def close(self) -> None:
        """There is nothing to let go of."""


def _match(ask: Ask) -> Callable[[Prompt | None], None]:
    return lambda found: ask.match(None if found is None else _view(found))


async def _noted(ask: Ask, action: str, made: Prompt, backup: int) -> PromptView:
    after = {"duration_s": made.duration_s, "transcript": made.transcript, "backup": backup}
    await ask.note(action, f"{made.language}/{made.name}", None, after)
    return _view(made)


def _view(found: Prompt) -> PromptView:
    return PromptView(
        language=found.language,
        prompt=found.name,
        source=found.source,
        duration_s=found.duration_s,
        transcript=found.transcript,
        version=found.version,
        used_by=found.used_by,
    )
