"""Which conversations belong to a person or a patient. Conversations are known here by id alone ("scope", as in the
vault); the app that stores them registers how they are found."""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

from django.db.models import QuerySet

from compliance.models import LegalHold, User, VaultEntry

Kind = LegalHold.Kind
ConversationsOf = Callable[[Collection[UUID]], set[UUID]]
"""Ids of people → ids of their conversations."""
_of_people: list[ConversationsOf] = []
_exists: list[Callable[[UUID], bool]] = []


class NoSuchSubject(Exception):
    """No such person, patient or conversation is known."""


def register(*, of_people: ConversationsOf, exists: Callable[[UUID], bool]) -> None:
    """Register how an app finds the conversations of people, and whether one with some id exists."""
    _of_people.append(of_people)
    _exists.append(exists)


def conversations_of_people(ids: Collection[UUID]) -> set[UUID]:
    """Ids of the conversations of these people, from all apps."""
    return set().union(*(find(ids) for find in _of_people)) if ids else set()


def conversations_of_patients(pseudonyms: Collection[str]) -> set[UUID]:
    """Ids of the conversations that name one of these patients by the medical record number (MRN)."""
    return set(conversations_naming(pseudonyms)) if pseudonyms else set()


def conversations_naming(pseudonyms: Collection[str]) -> QuerySet[VaultEntry, UUID]:
    """As `conversations_of_patients`, as a subquery."""
    named = VaultEntry.objects.filter(patient__in=list(pseudonyms)).exclude(patient="")
    return named.order_by().values_list("scope", flat=True)


def conversations_of(kind: str, subject: str) -> set[UUID]:
    """Ids of the conversations of a subject, as `identify` returns it; of a conversation, its own."""
    if kind == Kind.PATIENT:
        return conversations_of_patients([subject])
    return conversations_of_people([UUID(subject)]) if kind == Kind.PERSON else {UUID(subject)}


def identify(kind: str, typed: str) -> str:
    """What was typed, in the form that is stored: the id of a person or conversation, or a patient's pseudonym.

    People may be named by e-mail address. A record number is replaced by its pseudonym and never stored. Raises
    NoSuchSubject.
    """
    from compliance import vault

    typed = typed.strip()
    if kind == Kind.PATIENT:
        found = next((one for one in (typed, vault.pseudonym(typed)) if conversations_of_patients([one])), None)
    elif kind == Kind.PERSON:
        person = User.objects.filter(email__iexact=typed).first() if "@" in typed else _person(typed)
        found = str(person.pk) if person else None
    else:
        pk = _uuid(typed)
        found = str(pk) if pk and any(exists(pk) for exists in _exists) else None
    if not found:
        raise NoSuchSubject
    return found


def _person(typed: str) -> User | None:
    pk = _uuid(typed)
    return User.objects.filter(pk=pk).first() if pk else None


def _uuid(typed: str) -> UUID | None:
    try:
        return UUID(typed)
    except ValueError:
        return None
