"""Whether a password is one of the most common ones, from a file that is part of ClinChat: nothing is asked of anybody.

breached.bin holds the first five bytes of the SHA-256 of each password, sorted, without anything between. A password
that is not in the list is taken for one with a probability of 1 in 10 million (109,675 of 2^40 values).
`manage.py compile_breached` makes the file; NOTICE says what the list is.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("breached.bin")
BYTES: Final = 5


def is_common(password: str) -> bool:
    """Whether the password is in the list: as it is, in lower case, padded with digits or signs, or repeated."""
    return any(_listed(variant) for variant in variants(password))


def variants(password: str) -> Iterator[str]:
    """What a list of common passwords would hold of this one."""
    plain = password.casefold()
    bare = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", plain)
    yield from (password, plain, bare)
    yield from (_unit(word) for word in (plain, bare))
    words = re.findall(r"[^\W_]+", plain)
    if len(set(words)) == 1:
        yield words[0]


def _unit(word: str) -> str:
    """What a word repeats ("dragon" of "dragondragondrag"), else the word."""
    return next((word[:size] for size in range(1, len(word)) if (word[:size] * len(word))[: len(word)] == word), word)


def compiled(passwords: Iterable[str]) -> bytes:
    """The content of breached.bin for these passwords."""
    return b"".join(sorted({_entry(password) for password in passwords}))


def _entry(password: str) -> bytes:
    return hashlib.sha256(password.encode(errors="replace")).digest()[:BYTES]


def _listed(password: str) -> bool:
    entries, wanted = _entries(), _entry(password)
    at = bisect_left(range(len(entries) // BYTES), wanted, key=lambda n: entries[n * BYTES : (n + 1) * BYTES])
    return entries[at * BYTES : (at + 1) * BYTES] == wanted


@cache
def _entries() -> bytes:
    return FILE.read_bytes()
