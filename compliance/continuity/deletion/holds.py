"""Legal holds: nothing of a person, a patient or a conversation is purged or erased while a hold on it is active.

One person places a hold, another one ends it. The setting LEGAL_HOLD puts one on everything. Whatever removes data asks
here in the same transaction. A restore carries the holds over from the live database.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from clinchat.lib import clock
from compliance.continuity.deletion import subjects
from compliance.models import AuditEvent, LegalHold, User

Kind = LegalHold.Kind


class OnHold(Exception):
    """The subject, or one of its conversations, is on legal hold."""


class AlreadyHeld(Exception):
    """There is an active hold on this subject."""


class AlreadyEnded(Exception):
    """There is no such hold, or it was ended already."""


class SamePerson(Exception):
    """The person who placed a hold cannot end it."""


def place(*, kind: str, subject: str, reason: str, actor: User) -> LegalHold:
    """Place a hold. `subject` as it was typed: e-mail address, medical record number or id.

    Raises subjects.NoSuchSubject and AlreadyHeld.
    """
    identified = subjects.identify(kind, subject)
    try:
        with transaction.atomic():
            _serialize()
            return LegalHold.objects.create(kind=kind, subject=identified, reason=reason, placed_by=actor)
    except IntegrityError:
        raise AlreadyHeld from None


def end(*, hold_id: UUID, reason: str, actor: User) -> LegalHold:
    """End a hold that another person placed. Raises SamePerson and AlreadyEnded."""
    with transaction.atomic():
        hold = LegalHold.objects.select_for_update().filter(pk=hold_id, ended_at=None).first()
        if hold is None:
            raise AlreadyEnded
        if hold.placed_by_id == actor.pk:
            raise SamePerson
        hold.ended_by, hold.ended_at, hold.end_reason = actor, clock.now(), reason
        hold.save(update_fields=["ended_by", "ended_at", "end_reason"])
    return hold


def any_active() -> bool:
    """Whether any hold is active. Inside a transaction, none can be placed before it ends."""
    _serialize()
    return bool(settings.LEGAL_HOLD) or LegalHold.objects.filter(ended_at=None).exists()


def people_on_hold() -> set[UUID]:
    """Ids of the people on hold."""
    return {UUID(one) for one in _subjects(Kind.PERSON)}


def conversations_on_hold(among: Collection[UUID]) -> set[UUID]:
    """Which of these conversations are on hold: themselves, through their author, or through a patient they name.

    Inside a transaction, no hold can be placed before it ends, so the answer stays true while rows are removed.
    """
    if not among:
        return set()
    if settings.LEGAL_HOLD:
        return set(among)
    _serialize()
    held = {UUID(one) for one in _subjects(Kind.CONVERSATION)} | subjects.conversations_of_people(people_on_hold())
    return (held | subjects.conversations_of_patients(_subjects(Kind.PATIENT))) & set(among)


def conversation_is_on_hold(author: str) -> Q:
    """As `conversations_on_hold`, as a condition on conversations. `author`: the foreign key to the author."""
    itself = Q(pk__in=[UUID(one) for one in _subjects(Kind.CONVERSATION)])
    patients = Q(pk__in=subjects.conversations_naming(_subjects(Kind.PATIENT)))
    return itself | Q(**{f"{author}__in": people_on_hold()}) | patients


def has_events_on_hold(before: date) -> bool:
    """Whether an audit event before that day (UTC) is by or about a person, patient or conversation on hold."""
    _serialize()
    persons, patients = people_on_hold(), _subjects(Kind.PATIENT)
    objects = [
        *_subjects(Kind.CONVERSATION),
        *persons,
        *subjects.conversations_of_people(persons),
        *subjects.conversations_of_patients(patients),
    ]
    on_hold = Q(actor_id__in=persons) | Q(patient__in=patients) | Q(object_id__in=[str(one) for one in objects])
    midnight = datetime.combine(before, time.min, UTC)
    return AuditEvent.objects.filter(on_hold, timestamp__lt=midnight).exists()


def require_not_held(kind: str, subject: str) -> None:
    """Raises OnHold where the subject, or a conversation of theirs, is on hold."""
    conversations = subjects.conversations_of(kind, subject)
    if settings.LEGAL_HOLD or subject in _subjects(kind) or conversations_on_hold(conversations):
        raise OnHold


def _subjects(kind: str) -> set[str]:
    """The subjects of this kind with an active hold."""
    return set(LegalHold.objects.filter(kind=kind, ended_at=None).order_by().values_list("subject", flat=True))


def _serialize() -> None:
    """Make removals and new holds wait for one another, until commit. Does nothing outside a transaction."""
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('clinchat legal holds'))")
