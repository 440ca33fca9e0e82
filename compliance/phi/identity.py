"""When two findings are the same thing: one patient, one day, one number, however it was written. Pure."""

from __future__ import annotations

import re

from compliance.phi.days import full_date
from compliance.phi.normalise import fold, normalise
from compliance.phi.types import Label

_NUMBERS = frozenset(Label) - {
    Label.NAME,
    Label.LOCATION,
    Label.FACILITY,
    Label.DATE,
    Label.EMAIL,
    Label.URL,
    Label.PHOTO,
}
_NO_NAME_WORDS = "dr mr mrs ms mx miss prof jr sr ii iii iv the de la van von der den al el bin md rn"
_NO_NAME = frozenset(_NO_NAME_WORDS.split())


def key(label: Label, value: str) -> str:
    """Two values of a label with the same key are the same thing."""
    plain = normalise(value).text.casefold().strip()
    plain = plain.removesuffix("'s")
    match label:
        case Label.NAME:
            return " ".join(sorted(name_words(value))) or plain
        case Label.DATE:
            day = full_date(value)
            return day.isoformat() if day else " ".join(plain.split())
        case Label.EMAIL:
            bare = re.sub(r"[\[({<]?\s*\b(at|dot)\b\s*[\])}>]?", lambda m: "@" if m[1] == "at" else ".", plain)
            return "".join(bare.split())
        case Label.PHONE | Label.FAX:
            return re.sub(r"\D", "", plain).removeprefix("1") or plain
        case _ if label in _NUMBERS:
            return re.sub(r"[\W_]", "", plain) or plain
        case _:
            return " ".join(plain.split())


def name_words(value: str) -> frozenset[str]:
    """What tells people apart: no titles, particles, initials, order or case."""
    words = re.split(r"[\W\d_]+", fold(normalise(value).text.removesuffix("'s")))
    return frozenset(word for word in words if len(word) > 1 and word not in _NO_NAME)
