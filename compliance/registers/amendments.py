"""Patients who ask to have a record amended, and what they were answered: 45 CFR 164.526."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.utils import timezone

from compliance.models import Amendment, User
from compliance.registers import patients

WITHIN: Final = timedelta(days=60)
KINDS: Final = {
    "chat.Conversation": "Conversation",
    "chat.Turn": "Question and its answer",
    "chat.InteractionCheck": "Check of medicines",
}
"""Records that can be about a patient, named as in the audit trail; other apps own their tables."""


class NoSuchRecord(Exception):
    """No record of that kind has this id."""


class NotYet(Exception):
    """It is recorded after it happened, and answered after it was asked."""


class AnsweredAlready(Exception):
    """An answer stays as it was given."""


@transaction.atomic
def record(*, record_number: str, kind: str, record_id: UUID, asked_on: date, by: User) -> Amendment:
    """Of the patient only the pseudonym is kept. Raises NotYet, NoSuchRecord and patients.NoRecordNumber."""
    if asked_on > timezone.localdate():
        raise NotYet
    name = f"{kind}:{record_id}"
    if not exists(name):
        raise NoSuchRecord
    patient = patients.pseudonym(record_number)
    return Amendment.objects.create(patient=patient, record=name, asked_on=asked_on, recorded_by=by)


@transaction.atomic
def answer(*, amendment_id: UUID, decision: Amendment.Decision, answered_on: date, statement: str) -> Amendment:
    """`statement`: the patient's, which stays with a denial. Raises NotYet and AnsweredAlready."""
    amendment = Amendment.objects.select_for_update().get(pk=amendment_id)
    if amendment.answered_on is not None:
        raise AnsweredAlready
    if not amendment.asked_on <= answered_on <= timezone.localdate():
        raise NotYet
    amendment.decision, amendment.answered_on, amendment.statement = decision, answered_on, statement
    amendment.save(update_fields=["decision", "answered_on", "statement"])
    return amendment


def exists(record: str) -> bool:
    """Whether the record that an amendment names is there."""
    kind, _, identifier = record.partition(":")
    if kind not in KINDS:
        return False
    try:
        wanted = UUID(identifier)
    except ValueError:
        return False
    return bool(apps.get_model(kind)._default_manager.filter(pk=wanted).exists())  # noqa: SLF001  # documented by Django


def due(amendment: Amendment) -> date:
    return amendment.asked_on + WITHIN


def in_time(amendment: Amendment) -> bool:
    """Answered within 60 days, or still within them."""
    return (amendment.answered_on or timezone.localdate()) <= due(amendment)
