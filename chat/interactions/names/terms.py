"""What the recogniser of medicine names gives back: mentions in a text, entries of a list, completions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """As what a name was read."""

    INGREDIENT = "ingredient"
    BRAND = "brand"
    SALT = "salt"
    SYNONYM = "synonym"
    ABBREVIATION = "abbreviation"
    COMBINATION = "combination"
    MISSPELLING = "misspelling"
    CLASS = "class"


@dataclass(frozen=True, slots=True)
class Mention:
    """One name in a text. `start` and `end` are offsets in the text as given, `text` is what stands between them.

    `ids` are ingredients in the product's order, or one "class:<id>"; `name` is the name it was read as, as the data
    writes it.
    """

    start: int
    end: int
    text: str
    ids: tuple[str, ...]
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a medicine list, as somebody entered it.

    `suggestions` are names it may have meant, best first, at most three, and only where nothing was recognised.
    """

    text: str
    mentions: tuple[Mention, ...]
    suggestions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A completion of what was typed so far."""

    name: str
    ids: tuple[str, ...]
    kind: Kind
