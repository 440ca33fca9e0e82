"""Shared by the commands: how a collection is named on the command line."""

from __future__ import annotations

from django.core.management.base import CommandError

from chat.models import Collection


def collections_named(slug: str | None) -> list[Collection]:
    """The collection with this short name, or all of them. Raises CommandError naming those that exist."""
    every = list(Collection.objects.order_by("slug"))
    chosen = [c for c in every if slug in (None, c.slug)]
    if chosen:
        return chosen
    if not every:
        raise CommandError("The knowledge base is empty. Load documents first: manage.py ingest PATH --collection NAME")
    raise CommandError(f"There is no collection “{slug}”. Collections: {', '.join(c.slug for c in every)}.")
