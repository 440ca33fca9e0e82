"""Plans that were tried. What was recorded stays; that actions were closed since is a later record of the same one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from compliance.models import Exercise, User

LOSSES: Final = {
    "database": "Database",
    "broker": "Queue and cache",
    "storage": "File store",
    "key": "Encryption key",
}
"""What a whole game day loses."""


class NotHeldYet(Exception):
    """It is recorded after it was held."""


class NothingClosed(Exception):
    """A follow-up leaves fewer actions open than there were."""


class Followed(Exception):
    """There is a later record of it already."""


@transaction.atomic
def record(
    *,
    kind: Exercise.Kind,
    held_on: date,
    scenario: str,
    losses: Sequence[str],
    lessons: str,
    open_actions: int,
    by: User,
) -> Exercise:
    """Raises NotHeldYet."""
    if held_on > timezone.localdate():
        raise NotHeldYet
    return Exercise.objects.create(
        kind=kind,
        held_on=held_on,
        scenario=scenario,
        losses=[one for one in LOSSES if one in losses],
        lessons=lessons,
        open_actions=open_actions,
        recorded_by=by,
    )


@transaction.atomic
def follow_up(*, exercise_id: UUID, open_actions: int, lessons: str, by: User) -> Exercise:
    """The same exercise with fewer actions open. Raises NothingClosed and Followed."""
    before = Exercise.objects.select_for_update().get(pk=exercise_id)
    if before not in current():
        raise Followed
    if open_actions >= before.open_actions:
        raise NothingClosed
    return record(
        kind=Exercise.Kind(before.kind),
        held_on=before.held_on,
        scenario=before.scenario,
        losses=before.losses,
        lessons=lessons,
        open_actions=open_actions,
        by=by,
    )


def current() -> list[Exercise]:
    """Each exercise as it was recorded last, the newest first."""
    found: dict[tuple[str, date, str], Exercise] = {}
    for one in Exercise.objects.select_related("recorded_by").order_by("recorded_at"):
        found[one.kind, one.held_on, one.scenario] = one
    return sorted(found.values(), key=lambda one: (one.held_on, one.recorded_at), reverse=True)


def whole(one: Exercise) -> bool:
    """A game day that lost everything there is to lose."""
    return one.kind == Exercise.Kind.GAME_DAY and set(LOSSES) <= set(one.losses)
