"""Turns of people through modules: the first, renewals, and catching up with changes. The only writer of enrolments.

An earlier turn is never touched: a renewal is a new one beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse

from clinchat.lib import clock, ui_tags
from compliance import notices
from compliance.models import Notice, User
from compliance.policies import GRACE
from training.bank.types import Difficulty, Module
from training.models import Attempt, Certificate, Enrolment, ModuleVersion

FIRST_DUE: Final = timedelta(days=30)
"""From making the account to having passed everything; nothing closes then, it is what people are reminded of."""
RENEW_FROM: Final = timedelta(days=60)
"""So long before a certificate ends its renewal opens."""


class UnknownModule(LookupError):
    """No module with this name is in force."""


class NothingToDo(Exception):
    """The module is passed, and it is not time to renew it. `until` is when the certificate ends."""

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until


def in_force(slug: str) -> ModuleVersion:
    """The version of the module that is taught now. Raises UnknownModule."""
    version = ModuleVersion.objects.in_force().filter(slug=slug).defer("content").first()
    if version is None:
        raise UnknownModule(slug)
    return version


def begin(*, person: User, slug: str, version: ModuleVersion | None = None) -> Enrolment:
    """The person's open turn through the module; a first one or a renewal is opened when it is time.

    A renewal takes the place of a change they had to catch up with, and its due date, unless they have begun to try
    that: new attempts are no way around a wait. `version` is that in force, if the caller has looked it up. Raises
    UnknownModule and NothingToDo.
    """
    version = version or in_force(slug)
    now = clock.now()
    held = Enrolment.objects.open().filter(person=person, slug=slug).first()
    if held is not None and held.kind != Enrolment.Kind.CHANGE:
        return held
    certificate = Certificate.objects.filter(person=person, slug=slug, revoked_at=None).order_by("-expires_at").first()
    renewable = certificate is not None and certificate.expires_at <= now + RENEW_FROM
    if held is not None and not (renewable and _untried(held)):
        return held
    if certificate is not None and not renewable:
        raise NothingToDo(certificate.expires_at)
    due = person.created_at + FIRST_DUE if certificate is None else certificate.expires_at
    kind = Enrolment.Kind.FIRST
    if certificate is not None or Enrolment.objects.filter(person=person, slug=slug).exists():
        kind = Enrolment.Kind.RENEWAL
    try:
        with transaction.atomic():
            if held is not None:
                due = min(due, held.due_at or due)
                Enrolment.objects.open().filter(pk=held.pk).update(closed_at=now)
            return _opened(
                [Enrolment(person=person, slug=slug, kind=kind, due_at=due, opened_at=now)],
                version.module.rules.attempts,
            )[0]
    except IntegrityError:  # the same person, at the same moment, in another tab
        return Enrolment.objects.open().get(person=person, slug=slug)


def _untried(turn: Enrolment) -> bool:
    return not turn.attempts.exclude(state=Attempt.State.UNUSED).exists()


def open_changes(
    *, people: Iterable[User], version: ModuleVersion, lessons: Sequence[str], why: str, now: datetime
) -> int:
    """Have people catch up with a change within the grace, in the caller's transaction; returns how many.

    Only those who hold a certificate of the module. Who is in the middle of a turn through all of it finishes that one,
    by the same day; a turn for an earlier change is replaced by one for both. Closed accounts have to catch up as well,
    should they open again, but are not told.
    """
    due = now + GRACE
    live = Certificate.objects.live(now).filter(person=OuterRef("pk"), slug=version.slug)
    affected = list(User.objects.filter(Exists(live), pk__in=[person.pk for person in people]))
    held = {one.person_id: one for one in Enrolment.objects.open().filter(slug=version.slug, person__in=affected)}
    fresh = []
    for person in affected:
        turn = held.get(person.pk)
        until = min(due, turn.due_at) if turn is not None and turn.due_at else due
        if turn is not None and turn.kind != Enrolment.Kind.CHANGE:
            Enrolment.objects.filter(pk=turn.pk).update(due_at=until, why=why)
            continue
        both = lessons
        if turn is not None:
            Enrolment.objects.open().filter(pk=turn.pk).update(closed_at=now)
            both = [*turn.lessons, *lessons] if turn.lessons and lessons else []  # none stands for all
        fresh.append(
            Enrolment(
                person=person,
                slug=version.slug,
                kind=Enrolment.Kind.CHANGE,
                lessons=list(dict.fromkeys(both)),
                why=why,
                due_at=until,
                opened_at=now,
            )
        )
    _opened(fresh, version.module.rules.attempts)
    notices.tell_each(
        notices.notice(
            person,
            title=f"{version.title} has changed",
            text=f"{why} Catch up by {ui_tags.day(due)}; access ends then if you do not.",
            url=reverse("training-module", args=[version.slug]),
            level=Notice.Level.WARNING,
            mail=True,
        )
        for person in affected
        if person.is_active
    )
    return len(affected)


def catch_up(*, person: User, passed: ModuleVersion, now: datetime) -> None:
    """Open what has changed in substance since the version somebody passed, in the caller's transaction.

    For who began an assessment before a change was loaded, and passed after it.
    """
    later = ModuleVersion.objects.filter(slug=passed.slug, material=True, loaded_at__gt=passed.loaded_at)
    changes = list(later.defer("content").order_by("loaded_at"))
    if not changes:
        return
    lessons = [list(one.module.changed) for one in changes]
    open_changes(
        people=[person],
        version=in_force(passed.slug),
        lessons=[key for keys in lessons for key in keys] if all(lessons) else [],
        why=changes[-1].change,
        now=now,
    )


def lessons_of(enrolment: Enrolment, module: Module) -> list[str]:
    """The keys of the lessons this turn is about, in their order."""
    keys = [lesson.key for lesson in module.lessons]
    return [key for key in keys if key in enrolment.lessons] or keys


def blueprint_of(enrolment: Enrolment, module: Module) -> Mapping[str, Mapping[Difficulty, int]]:
    """What the form of this turn is drawn by: of a change only the objectives of its lessons."""
    lessons = lessons_of(enrolment, module)
    meant = {key for lesson in module.lessons if lesson.key in lessons for key in lesson.objectives}
    return {objective: cells for objective, cells in module.blueprint.items() if objective in meant}


def complete(enrolment: Enrolment, *, now: datetime) -> None:
    """The assessment of this turn is passed, in the caller's transaction."""
    Enrolment.objects.open().filter(pk=enrolment.pk).update(completed_at=now)
    enrolment.completed_at = now


def _opened(enrolments: Sequence[Enrolment], attempts: int) -> Sequence[Enrolment]:
    made = Enrolment.objects.bulk_create(enrolments)
    Attempt.objects.bulk_create(
        Attempt(enrolment=enrolment, number=number) for enrolment in made for number in range(1, attempts + 1)
    )
    return made
