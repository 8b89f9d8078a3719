"""Methods about prompts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from cicswitch.api.shapes.prompts import PromptFile, PromptText, PromptView
from cicswitch.client.wire import Wire

__all__ = ["PromptCalls"]

_PATH = "/prompts/{language}/{prompt}"


class PromptCalls(Wire):
    """Prompts."""

    def prompts(self, *, language: str = "") -> AsyncIterator[PromptView]:
        """All prompts by language and name, or those of a language."""
        return self.each("/prompts", PromptView, {"language": language})

    async def prompt(self, language: str, prompt: str) -> PromptView:
        """One of them."""
        return await self.call("GET", _PATH, PromptView, language=language, prompt=prompt)

    async def prompt_audio(self, language: str, prompt: str) -> bytes:
        """Its sound, a WAV file."""
        return await self.fetch(_PATH + "/audio", {}, language=language, prompt=prompt)

    async def put_prompt(
        self, language: str, prompt: str, wav: bytes, transcript: str = "", *, tag: Any = None
    ) -> PromptView:
        """Make or replace a prompt by a WAV file."""
        body = PromptFile(wav, transcript)
        return await self.call(
            "PUT", _PATH, PromptView, body=body, tag=tag, language=language, prompt=prompt
        )

    async def speak_prompt(
        self, language: str, prompt: str, text: str, *, tag: Any = None
    ) -> PromptView:
        """Make or replace a prompt by a text that is spoken."""
        path, body = _PATH + "/speak", PromptText(text)
        return await self.call(
            "POST",
            path,
            PromptView,
            body=body,
            tag=tag,
            keyed=False,
            language=language,
            prompt=prompt,
        )

    async def remove_prompt(self, language: str, prompt: str, *, tag: Any = None) -> None:
        """Remove one that was made here and is not used."""
        await self.call("DELETE", _PATH, type(None), tag=tag, language=language, prompt=prompt)
