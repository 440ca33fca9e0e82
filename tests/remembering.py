"""What is worked out once and used by many tests. Nothing here stands in for a result: the real one is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any
from unittest.mock import patch

from chat.interactions import release
from chat.interactions.release import Release
from chat.interactions.table import Table

_tables: dict[str, Table] = {}
_digests: dict[str, str] = {}
_real_digest = release.digest
_read: dict[tuple[Any, tuple[int, ...]], Any] = {}


@contextmanager
def vectors() -> Iterator[None]:
    """Inside, a model reads the same text once; what it says of a text depends on nothing else (chat.llm.network).

    For fixtures that load documents: most of their time was the models, reading the same three monographs each time.
    """
    from chat.llm.network import Network

    run = Network.run

    def remembered(self: Network, tokens: Sequence[int]) -> Any:
        key = (self, tuple(tokens))
        if key not in _read:
            _read[key] = run(self, tokens)
        return _read[key].copy()

    with patch.object(Network, "run", remembered):
        yield


class Rows:
    """The pairs of a table in their full form, written out only if somebody looks at them."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.files = _checksum(table.release)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from _real_rows(self.table)


_real_rows = Table.rows


def _checksum(found: Release) -> str:
    """Of all files but the manifest, by their bytes: tests make releases whose stated SHA-256 is invented."""
    total = hashlib.sha256()
    for name in release.FILES:
        total.update(hashlib.sha256(found.files[name]).digest())
    return total.hexdigest()


def table(found: Release) -> Table:
    """The release as a table. One with the same files and another manifest shares all but the manifest with it."""
    key = _checksum(found)
    if key not in _tables:
        _tables[key] = Table(found)
    known = copy(_tables[key])
    known.release = found
    return known


def digest(pairs: Iterable[Mapping[str, Any]]) -> str:
    """As of a release; the second or two that the pairs of a table take are spent once."""
    if not isinstance(pairs, Rows):
        return _real_digest(pairs)
    if pairs.files not in _digests:
        _digests[pairs.files] = _real_digest(pairs)
    return _digests[pairs.files]


@contextmanager
def tables() -> Iterator[None]:
    """Inside, the pairs of a release are laid out once, and once digested. Its self-test runs each time it is proved.

    For tests of what is done with releases, not for those of the table itself.
    """
    with (
        patch("chat.interactions.releases.Table", table),
        patch("chat.interactions.current.Table", table),
        patch.object(Table, "rows", lambda self: Rows(self)),
        patch.object(release, "digest", digest),
    ):
        yield
