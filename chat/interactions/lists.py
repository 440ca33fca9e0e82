"""Lists of medicines as people type and paste them: what is one entry, and what a list is checked for.

A line is never dropped without a word: what is left out or said of an entry stands beside the result.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chat.interactions import check as find
from chat.interactions import checks
from chat.interactions.current import Current
from chat.interactions.names import Names
from chat.models import InteractionCheck
from compliance import masking
from compliance.models import User

FEWEST: Final = 2
FEWEST_LETTERS: Final = 4
"""Shorter words beside a medicine are units and ways of giving it."""
_BREAK = re.compile(r"[\n\t;\uff1b\u3001\uff0c]|,(?!\d{3}(?!\d))|(?<!\d),")
_LINE = re.compile(r"[\n\r]+")
_BULLET = re.compile(r"^\s*(?:[-*+\u2022\u25e6\u25aa\u00b7\u2013\u2014]+\s*|\(?\d{1,3}[.)]\s*(?=[^\d\s]))")
_HEADING = re.compile(r"^\s*(?:current |home |active )?(?:meds?|medications?|medicines?|drugs)\s*:\s*", re.IGNORECASE)
_NONE = re.compile(r"^(?:no(?:ne| meds?| medic\w+| drugs)?|n/?a|n/?k/?m?d?a|denies|nil|unknown)\W*$", re.IGNORECASE)
_ALLERGIES = re.compile(r"^\W*(?:allerg\w+|nkd?a\b|adrs?\b|intoleran\w+)", re.IGNORECASE)
_STOPPED = re.compile(
    r"~~|\b(?:d/c'?d?|dc'?d|discontinued|stopped|held|on hold|refused|denies|no longer|not taking|takes? no)\b",
    re.IGNORECASE,
)
_DIRECTION = re.compile(
    r"mg|mcg|g|ml|l|units?|iu|meq|tab(?:let)?s?|cap(?:sule)?s?|po|iv|im|sc|sq|sl|pr|oral(?:ly)?|by|mouth"
    r"|once|twice|daily|nightly|weekly|monthly|every|each|times?|an?|the|day|week|hours?|hrs?|at|bedtime|morning|evening|in"
    r"|[bt]id|q[id]d?|od|qod|qhs|qac|q\d+h(?:rs?)?|qam|qpm|hs|ac|pc|prn|as|needed|with|food|meals?|for|pain|er|xr|sr|cr|xl|dr",
    re.IGNORECASE,
)
_DOSE = re.compile(r"[.\d][\d.,/-]*(?:mg|mcg|g|ml|units?|iu|meq|%)?", re.IGNORECASE)
_JOINT = re.compile(r"\s*(?:(?<!\d)/(?!\d)|(?<!\d),|,(?!\d)|[+&;\n])\s*|\s+(?:and|plus)\s+", re.IGNORECASE)
_WORD = re.compile(r"[^\s()\[\],.:]+(?:\.\d+)?")


class OneMedicine(Exception):
    """There is nothing to compare it with."""


@dataclass(frozen=True, slots=True)
class Typed:
    """`entries` as they were typed, repeated ones among them. `allergies`: lines about allergies were left out."""

    entries: tuple[str, ...]
    allergies: bool = False

    @property
    def distinct(self) -> tuple[str, ...]:
        return tuple({" ".join(entry.casefold().split()): entry for entry in reversed(self.entries)}.values())[::-1]


def read(text: str) -> Typed:
    """The entries of a list: one a line, also parted by commas, semicolons or tabs, with bullets or numbers or without.

    Doses and directions after a comma belong to the medicine before it.
    """
    found: list[str] = []
    allergies = False
    for line in _LINE.split(text):
        if _ALLERGIES.match(line):
            allergies = True
            continue
        for number, part in enumerate(_BREAK.split(_HEADING.sub("", line))):
            entry = _BULLET.sub("", part).strip()
            if not any(c.isalnum() for c in entry) or _NONE.match(entry):
                continue
            if number and found and _directions(entry):
                found[-1] = f"{found[-1]}, {entry}"
            else:
                found.append(entry)
    return Typed(tuple(found), allergies)


def _directions(entry: str) -> bool:
    """Whether it says only how much of something is taken, how and when."""
    return all(map(_direction, _WORD.findall(entry)))


def _direction(word: str) -> bool:
    return bool(_DIRECTION.fullmatch(word) or _DOSE.fullmatch(word))


def of_names(names: Iterable[str]) -> Typed:
    """A list whose entries are given one by one. What is empty is left out."""
    return Typed(tuple(name for name in names if any(c.isalnum() for c in name)))


def check(typed: Typed, *, where: InteractionCheck.Where, by: User | None) -> InteractionCheck:
    """Check a list, and keep what was found. Raises OneMedicine, TooMany, Unavailable and phi.PhiUnavailable."""
    return checks.keep(result(typed, checks.table()), where=where, by=by)


def check_text(text: str, *, where: InteractionCheck.Where, by: User | None) -> InteractionCheck:
    """Check the medicines that a text names; it is masked before it is looked at, and not kept. Raises as `check`."""
    table = checks.table()
    masked = masking.mask(text, where=f"interactions-{where}").text if text else ""
    return checks.keep(result_of_text(masked, table), where=where, by=by)


def result(typed: Typed, table: Current) -> checks.Shown:
    """What a list comes to, as it is shown. Raises OneMedicine and TooMany.

    One entry does where it is a class or a combination, or names several medicines.
    """
    entries = typed.distinct
    parts = [part for entry in entries for part in unread(entry, table.names)]
    room = max(0, find.MOST_ENTRIES - len(entries))
    shown = checks.shown(table, find.check_entries(table, [*entries, *parts[:room]]))
    if len(entries) < FEWEST and not _several(shown):
        raise OneMedicine
    return {**shown, **_said(typed, table)}


def result_of_text(text: str, table: Current) -> checks.Shown:
    """As `result`, of the medicines that a text names."""
    shown = checks.shown(table, find.check_text(table, text))
    if not _several(shown):
        raise OneMedicine
    return shown


def unread(entry: str, names: Names) -> list[str]:
    """Parts of an entry that no medicine was read from, beside others: of “warfarin and zyxoprane” the second."""
    mentions = names.entry(entry).mentions
    if not mentions:
        return []
    parts, start = [], 0
    for joint in [*_JOINT.finditer(entry), None]:
        end = joint.start() if joint else len(entry)
        part = entry[start:end].strip(" ,.")
        read = any(mention.start < end and start < mention.end for mention in mentions)
        if not read and sum(map(str.isalpha, part)) >= FEWEST_LETTERS and not _direction(_WORD.findall(part)[0]):
            parts.append(part)
        start = joint.end() if joint else end
    return parts


def _several(shown: checks.Shown) -> bool:
    medicines: list[dict[str, Any]] = shown["medicines"]
    return len(medicines) > 1 or any(len(one["ids"]) > 1 or one["kind"] == "class" for one in medicines)


def _said(typed: Typed, table: Current) -> dict[str, Any]:
    """What stands beside the result: names that came more than once, and those written as stopped."""
    read_as: list[tuple[str, Sequence[str]]] = [
        (entry, sorted({mention.name for mention in table.names.entry(entry).mentions})) for entry in typed.entries
    ]
    times = Counter(name for _, found in read_as for name in found)
    return {
        "repeated": [{"name": name, "times": n} for name, n in sorted(times.items()) if n > 1],
        "stopped": sorted({name for entry, found in read_as if _STOPPED.search(entry) for name in found}),
        "allergies": typed.allergies,
    }
