"""One stream into all stores at once. A store that fails is left out from then on; without the first one, all fails."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import wait
from datetime import datetime
from queue import Queue

from compliance import deadlines
from compliance.continuity.refusals import ContinuityError, StoreFailed
from compliance.continuity.storage.stores import Store

logger = logging.getLogger("clinchat.continuity")
_AHEAD = 8
"""Pieces that wait for a store that is slower than the others."""


class _BrokenOff(Exception):
    """Whoever gave the pieces failed: what was written of them must not become whole."""


class _Writer:
    """Puts what it is given into one store, in a thread of its own."""

    def __init__(self, store: Store, name: str, keep_until: datetime | None) -> None:
        self.store, self.failed = store, ""
        self._name, self._keep_until = name, keep_until
        self._queue: Queue[bytes | _BrokenOff | None] = Queue(_AHEAD)
        self.give = self._queue.put

    def run(self) -> None:
        try:
            self.store.put(self._name, self._pieces(), keep_until=self._keep_until)
        except _BrokenOff:
            return
        except ContinuityError as error:
            self._fail(error.words)
        except Exception as error:  # noqa: BLE001  # a flaw of ours in one store is no reason to lose the others
            self._fail(f"The store {self.store.name} failed: {type(error).__name__}.")

    def _pieces(self) -> Iterator[bytes]:
        while (piece := self._queue.get()) is not None:
            if isinstance(piece, _BrokenOff):
                raise piece
            yield piece

    def _fail(self, words: str) -> None:
        self.failed = words
        while isinstance(self._queue.get(), bytes):  # nobody may wait for it
            pass


class Copies:
    """The stores that hold everything that was put until now."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = list(stores)
        self.lost: dict[str, str] = {}
        """Why each store was left out, in words, by its name."""

    def put(self, name: str, chunks: Iterable[bytes], *, keep_until: datetime | None = None) -> None:
        """Raises StoreFailed when the first store fails, and whatever `chunks` raise: then no store has it."""
        writers = [_Writer(store, name, keep_until) for store in self.stores]
        writing = [deadlines.begun(writer.run) for writer in writers]
        end: _BrokenOff | None = _BrokenOff()
        try:
            for chunk in chunks:
                if writers[0].failed:
                    break
                for writer in writers:
                    if not writer.failed:
                        writer.give(chunk)
            else:
                end = None
        finally:
            for writer in writers:
                writer.give(end)
            wait(writing)
        for writer in writers:
            if writer.failed:
                self._lose(writer.store, writer.failed)

    def keep(self, name: str, until: datetime) -> None:
        """From now on it stays until then. Raises StoreFailed when the first store fails."""
        for store in list(self.stores):
            try:
                store.keep(name, until)
            except ContinuityError as error:
                self._lose(store, error.words)

    def drop(self, names: Iterable[str]) -> None:
        """Take back what was put, as far as that is possible: `prune` removes what is left."""
        for name in list(names):
            for store in self.stores:
                try:
                    store.delete(name)
                except ContinuityError as error:
                    logger.warning("left behind: %s", error.words, extra={"code": "BACKUP_STORE"})

    def _lose(self, store: Store, words: str) -> None:
        logger.error("%s", words, extra={"code": "BACKUP_STORE"})
        if store is self.stores[0]:
            raise StoreFailed(words)
        self.lost[store.name] = words
        self.stores.remove(store)
