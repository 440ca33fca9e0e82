"""Collections, and who may read them and their documents. A change holds from the next search on."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.text import slugify

from chat.models import Collection, Document
from compliance.models import User

LONGEST_SLUG = 50


class ShutOut(Exception):
    """Whoever says who reads it would not be among them, and could not undo it."""


@transaction.atomic
def make_collection(*, name: str, readers: Sequence[str], departments: Sequence[str], by: User) -> Collection:
    """An empty collection for these roles and departments; none means all. Raises ShutOut."""
    made = Collection.objects.create(
        name=name, slug=_slug(name), readers=sorted(readers), departments=sorted(departments)
    )
    if not Collection.objects.visible_to(by).filter(pk=made.pk).exists():
        raise ShutOut
    return made


@transaction.atomic
def open_to(*, what: Collection | Document, readers: Sequence[str], departments: Sequence[str], by: User) -> None:
    """Let these roles and departments read a collection, or a document in it; none means all. Raises ShutOut."""
    what.readers, what.departments = sorted(readers), sorted(departments)
    what.save(update_fields=["readers", "departments"])
    shelf = Collection if isinstance(what, Collection) else Document
    if not shelf.objects.visible_to(by).filter(pk=what.pk).exists():
        raise ShutOut


def departments() -> list[str]:
    """The departments people here belong to."""
    named = User.objects.filter(is_active=True).exclude(department="")
    return sorted(set(named.values_list("department", flat=True)))


def _slug(name: str) -> str:
    """A short name nobody has: of one that is taken, with a number."""
    stem = slugify(name)[: LONGEST_SLUG - 4].strip("-") or "collection"
    taken = set(Collection.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    return next(slug for slug in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if slug not in taken)
