"""The language of a text: by its script, and by small words where that is Latin."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["language_of"]

_LOOKED_AT: Final = 4000
_SCRIPTS: Final = (
    ("ko", re.compile("[\uac00-\ud7a3\u1100-\u11ff]")),
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
)
_WORDS: Final = {
    "en": "the and is are you your my for with not have has this that please was were from it",
    "de": "der die das und ist nicht ich sie mit für ein eine wir bitte haben auf auch mein ihre",
    "fr": "le la les et est je vous nous pas pour une avec mon votre bonjour merci dans sur que",
    "es": "el los las y es no por para con una mi su que hola gracias pero usted está como",
    "it": "il gli che è non per una con sono mio grazie buongiorno della nel anche ho vostro",
    "pt": "os não para uma com por meu sua obrigado você está mas foi olá ao da do em",
    "nl": "het een en is niet ik u met voor van mijn bedankt graag heb dat deze wij naar",
    "vi": "tôi là và của không có cho được với này một các xin cảm ơn",
}
_SETS: Final = {name: frozenset(words.split()) for name, words in _WORDS.items()}


def language_of(text: str) -> str:
    """Like `ko`; empty where nothing tells."""
    text = text[:_LOOKED_AT]
    letters = sum(each.isalpha() for each in text)
    if not letters:
        return ""
    # A Korean or Japanese letter often quotes English: a fifth of its own script is enough.
    for name, pattern in _SCRIPTS:
        if len(pattern.findall(text)) * 5 >= letters:
            return name
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = {name: sum(word in known for word in words) for name, known in _SETS.items()}
    best = max(counts, key=lambda name: counts[name])
    second = max(count for name, count in counts.items() if name != best)
    return best if counts[best] >= 2 and counts[best] > second else ""
