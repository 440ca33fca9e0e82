"""Write every object to all stores in parallel.

A store that fails is dropped from then on; failure of the first one, the primary, fails the whole.
"""

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
_QUEUE_CHUNKS = 8
"""Chunks that are buffered for a store that is slower than the others."""


class _SourceFailed(Exception):
    """Reading the source failed: the uploads must be aborted, not completed."""


class _Writer:
    """One upload to one store; `run` is its thread. `send` queues a chunk, None (complete) or _SourceFailed (abort)."""

    def __init__(self, store: Store, name: str, keep_until: datetime | None) -> None:
        self.store = store
        self.failure = ""
        """Why it failed, in words; empty: it did not."""
        self._name, self._keep_until = name, keep_until
        self._queue: Queue[bytes | _SourceFailed | None] = Queue(_QUEUE_CHUNKS)
        self.send = self._queue.put

    def run(self) -> None:
        try:
            self.store.put(self._name, self._chunks(), keep_until=self._keep_until)
        except _SourceFailed:
            return
        except ContinuityError as error:
            self._fail(error.words)
        except Exception as error:  # noqa: BLE001  # even a bug must cost no more than this store
            self._fail(f"The store {self.store.name} failed: {type(error).__name__}.")

    def _chunks(self) -> Iterator[bytes]:
        while (chunk := self._queue.get()) is not None:
            if isinstance(chunk, _SourceFailed):
                raise chunk
            yield chunk

    def _fail(self, words: str) -> None:
        self.failure = words
        while isinstance(self._queue.get(), bytes):  # drain the queue, so that the sender never blocks
            pass


class Replicas:
    """The stores that still hold every object that was put."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = list(stores)
        self.failures: dict[str, str] = {}
        """Why stores were dropped, in words, by name of the store."""

    def put(self, name: str, chunks: Iterable[bytes], *, keep_until: datetime | None = None) -> None:
        """Write an object to all stores.

        Raises StoreFailed when the primary fails, and whatever `chunks` raises; in the latter case no store keeps it.
        """
        writers = [_Writer(store, name, keep_until) for store in self.stores]
        threads = [deadlines.start(writer.run) for writer in writers]
        last: _SourceFailed | None = _SourceFailed()
        try:
            for chunk in chunks:
                if writers[0].failure:
                    break
                for writer in writers:
                    if not writer.failure:
                        writer.send(chunk)
            else:
                last = None
        finally:
            for writer in writers:
                writer.send(last)
            wait(threads)
        for writer in writers:
            if writer.failure:
                self.leave_out(writer.store, writer.failure)

    def retain(self, name: str, until: datetime) -> None:
        """Set the retention of an object in all stores. Raises StoreFailed when the primary fails."""
        for store in list(self.stores):
            try:
                store.retain(name, until)
            except ContinuityError as error:
                self.leave_out(store, error.words)

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects from all stores, best effort: failures are logged, and `prune` removes what is left."""
        for name in list(names):
            for store in self.stores:
                try:
                    store.delete(name)
                except ContinuityError as error:
                    logger.warning("left behind: %s", error.words, extra={"code": "BACKUP_STORE"})

    def leave_out(self, store: Store, words: str) -> None:
        """Write nothing more to this store. Raises StoreFailed where it is the first."""
        logger.error("%s", words, extra={"code": "BACKUP_STORE"})
        if store is self.stores[0]:
            raise StoreFailed(words)
        self.failures[store.name] = words
        self.stores.remove(store)
