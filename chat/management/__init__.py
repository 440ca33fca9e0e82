"""Shared by the commands: how a collection is named on the command line, and how far the embedding is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from django.core.management.base import CommandError, OutputWrapper

from chat.models import Collection
from chat.pipeline.types import Reader


def operator(collections: Iterable[Collection]) -> Reader:
    """Who runs commands reads whole collections."""
    return Reader(tuple(c.pk for c in collections), everything=True)


def collections_named(slug: str | None) -> list[Collection]:
    """The collection with this short name, or all of them. Raises CommandError naming those that exist."""
    every = list(Collection.objects.order_by("slug"))
    chosen = [c for c in every if slug in (None, c.slug)]
    if chosen:
        return chosen
    if not every:
        raise CommandError("The knowledge base is empty. Load documents first: manage.py ingest PATH --collection NAME")
    raise CommandError(f"There is no collection “{slug}”. Collections: {', '.join(c.slug for c in every)}.")


def embedded_of(total: int, out: OutputWrapper) -> Callable[[int], None]:
    """Tells how many of so many passages are embedded, and how long the others will take; time runs from this call."""
    started = time.monotonic()

    def progress(done: int) -> None:
        rate = done / max(time.monotonic() - started, 0.001)
        left = max(total - done, 0) / max(rate, 0.001)
        out.write(f"  embedded {done} of {total} passages, {rate:.0f} a second, {left:.0f} s left")

    return progress
