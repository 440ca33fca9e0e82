"""The patient's medicines beside a question: read from lines or a document into names of the table, before anything of
them is kept. Of a document nothing else is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chat import uploads
from chat.corpus import loaders, sandbox
from chat.interactions import current, lists
from chat.interactions.names import Names
from compliance import masking
from compliance.models import User

MOST_BYTES: Final = 5_000_000
MOST: Final = 60
MOST_CHARACTERS: Final = 200_000
"""Of a document. Names are looked for where the page is made, and words that are none take longest."""
LONGEST_ENTRY: Final = 120
TOO_LONG: Final = "The document is too long for a list of medicines. Send only the pages that name them."
LIMITS: Final = sandbox.Limits(seconds=20, processor=15, memory=1_000_000_000, output=5_000_000)
"""Less than for the library: somebody waits, and a list of medicines has few pages."""


class Unreadable(Exception):
    """The document gives no text. `words` say why, to the person."""

    def __init__(self, words: str) -> None:
        super().__init__("Unreadable")
        self.words = words


class NoMedicines(Exception):
    """The document names no medicine of the table."""


class TooMany(Exception):
    """More than MOST medicines together."""

    def __init__(self, count: int) -> None:
        super().__init__("TooMany")
        self.count = count


def of_lines(text: str) -> list[str]:
    """The medicines of a typed list as the table writes their names; what of an entry names none is kept masked.

    Without a table to check with all are kept so. Raises TooMany, and phi.PhiUnavailable for an entry that cannot be
    masked.
    """
    try:
        names = current.current().names
    except current.Unavailable:  # the answer says that nothing was checked
        names = None
    found: dict[str, bool] = {}
    for entry in lists.read(text).entries:
        mentions = names.entry(entry).mentions if names else ()
        unread = lists.unread(entry, names) if names and mentions else [entry]
        named = {one.name: True for one in mentions}
        found |= named | {part[:LONGEST_ENTRY]: False for part in unread if part not in named | found}
    if len(found) > MOST:  # before any of it is masked, which takes its time
        raise TooMany(len(found))
    kept = (text if known else masking.note(text, where="medicines") for text, known in found.items())
    return list(dict.fromkeys(kept))


def of_document(*, name: str, content: bytes, by: User) -> list[str]:
    """The medicines that a document names. Raises Unreadable, NoMedicines and current.Unavailable, and what
    uploads.scan raises for malware."""
    names = current.current().names
    uploads.scan(content, by)
    reading = loaders.read_bytes(content, name=name, limits=LIMITS)
    if reading.problems:
        raise Unreadable(reading.problems[0].sentence)
    if sum(len(source.text) for source in reading.sources) > MOST_CHARACTERS:
        raise Unreadable(TOO_LONG)
    found = list(dict.fromkeys(_named(names, (source.text for source in reading.sources))))
    if not found:
        raise NoMedicines
    return found


def _named(names: Names, texts: Iterable[str]) -> Iterable[str]:
    """Line by line, as a list is read; what a line has beside a name is not needed."""
    for text in texts:
        for line in text.splitlines():
            yield from (one.name for one in names.find(line))


def together(*named: Iterable[str]) -> list[str]:
    """Each name once. Raises TooMany."""
    joined = list(dict.fromkeys(name for one in named for name in one))
    if len(joined) > MOST:
        raise TooMany(len(joined))
    return joined
