"""Whose conversations are whose. The app that keeps them says so: compliance knows them by their ids alone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

from compliance.models import LegalHold, User, VaultEntry

Kind = LegalHold.Kind
OfPeople = Callable[[Collection[UUID]], set[UUID]]
"""The conversations of people, by the people's ids."""
_of_people: list[OfPeople] = []
_exists: list[Callable[[UUID], bool]] = []


class NoSuchSubject(Exception):
    """There is no such person, patient or conversation here."""


def keep(*, of_people: OfPeople, exists: Callable[[UUID], bool]) -> None:
    """How an app finds the conversations of people, and whether there is one of some id."""
    _of_people.append(of_people)
    _exists.append(exists)


def of_people(ids: Collection[UUID]) -> set[UUID]:
    """The conversations of people, as all apps together know them."""
    return set().union(*(find(ids) for find in _of_people)) if ids else set()


def of_patients(pseudonyms: Collection[str]) -> set[UUID]:
    """The conversations in which one of these patients was named by the record number."""
    named = VaultEntry.objects.filter(patient__in=list(pseudonyms)).exclude(patient="")
    return set(named.order_by().values_list("scope", flat=True)) if pseudonyms else set()


def of(kind: str, subject: str) -> set[UUID]:
    """The conversations of a person, a patient (by the pseudonym), or the one itself."""
    if kind == Kind.PATIENT:
        return of_patients([subject])
    return of_people([UUID(subject)]) if kind == Kind.PERSON else {UUID(subject)}


def subject(kind: str, typed: str) -> str:
    """What somebody typed, as it is kept: the id of a person or conversation, or a patient's pseudonym.

    People are named by address or id. A record number becomes its pseudonym, and is kept nowhere. Raises NoSuchSubject.
    """
    from compliance import vault

    typed = typed.strip()
    if kind == Kind.PATIENT:
        found = next((one for one in (typed, vault.pseudonym(typed)) if of_patients([one])), None)
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
