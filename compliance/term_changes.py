"""Changes of the local terms of masking: one person proposes, another decides.

Ending one that masks weakens masking and takes two people as well; ending one that keeps words readable takes one.
"""

from __future__ import annotations

import unicodedata
from typing import ClassVar, Final
from uuid import UUID

from django.db import IntegrityError, transaction

from clinchat.lib import clock, sealed
from compliance import audit, masking, notices
from compliance.access import refusals
from compliance.access.roles import Action, permitted_roles
from compliance.models import MaskReport, MaskTerm, Notice, User
from compliance.phi import Label, label_words
from compliance.phi.cover import blank
from compliance.phi.normalise import normalise

Kind, Status = MaskTerm.Kind, MaskTerm.Status
PAGE: Final = "/compliance/masking/"
SHORTEST, LONGEST = 2, 100
SHORTEST_WORD: Final = 3
"""Fewer letters without a digit are a word of every other sentence: "an", "of"."""
MOST_DIGITS: Final = 4
"""In a term to keep: more of them are the number of somebody or something, whatever masking takes it for."""
KEEPABLE: Final = frozenset({Label.NAME, Label.LOCATION, Label.FACILITY, Label.ROOM, Label.OTHER_ID})
"""What a term may be taken for and yet be kept readable: eponyms, streets of a score, a ward, a code of the house. The
other classes are numbers and addresses of somebody, dates and ages."""


class Refused(Exception):
    """The term is not proposed. `words` say why, to the person; `reason` is the word for the trail."""

    reason: ClassVar[str]
    words: str


class TooShort(Refused):
    reason = "too short"
    words = "Enter at least two letters or digits, and at least three where they are letters alone."


class NotPlain(Refused):
    reason = "not plain"
    words = "Leave out square brackets and characters that cannot be seen."


class NoClass(Refused):
    reason = "no class"
    words = "Choose what it is masked as."


class HidesIdentifier(Refused):
    """Kept readable it would let through what identifies by its form alone."""

    reason = "identifier"

    def __init__(self, label: Label) -> None:
        super().__init__("HidesIdentifier")
        what = label_words[label].lower()
        self.words = f"These words hold what may be somebody's: {what}. That is always masked."


class AlreadyThere(Exception):
    """The same words wait for their second person already, or are in use."""


class SecondPersonNeeded(Exception):
    """Who proposed a term does not decide on it."""


class NotYours(Exception):
    """Only who proposed a term withdraws it."""


class AlreadyDecided(Exception):
    """Somebody decided before, or the term is no longer in use."""


def propose(*, kind: str, words: str, label: str, reason: str, by: User, report: MaskReport | None = None) -> MaskTerm:
    """Put a term up for the decision of a second person.

    `kind` and `label` are values of MaskTerm.Kind and phi.Label; a term to keep has no label. `reason` is masked.
    Raises Refused, on record, AlreadyThere, and phi.PhiUnavailable when a term to keep cannot be looked at.
    """
    words = " ".join(words.split())
    label = label if kind == Kind.MASK else ""
    try:
        _check(Kind(kind), words, label)
    except Refused as refused:
        _record_refusal(refused)
        raise
    index = _blind_index(words)
    try:
        with transaction.atomic():
            term = MaskTerm.objects.create(
                kind=kind,
                label=label,
                words=words,
                blind_index=index,
                reason=blank(reason, words, "…"),
                proposed_by=by,
                proposed_at=clock.now(),
                report=report,
            )
            notices.tell(
                deciders(term),
                title="A local term of masking waits",
                text=f"{by.name} proposes it. It needs the decision of a second person.",
                url=PAGE,
            )
    except IntegrityError:
        if MaskTerm.objects.filter(blind_index=index, status__in=[Status.PROPOSED, Status.APPROVED]).exists():
            raise AlreadyThere from None
        raise
    return term


def _check(kind: MaskTerm.Kind, words: str, label: str) -> None:
    """Raises Refused, and phi.PhiUnavailable."""
    letters = sum(c.isalpha() for c in words)
    digits = sum(c.isdigit() for c in words)
    if letters + digits < SHORTEST or (not digits and letters < SHORTEST_WORD):
        raise TooShort
    if any(c in "[]" or unicodedata.category(c).startswith("C") for c in words):
        raise NotPlain
    if kind == Kind.MASK:
        if label not in label_words:
            raise NoClass
        return
    for span in masking.mask(words, where="local-term").spans:
        if span.label not in KEEPABLE:
            raise HidesIdentifier(span.label)
    if digits > MOST_DIGITS:
        raise HidesIdentifier(Label.OTHER_ID)


def _record_refusal(refused: Refused) -> None:
    audit.record(
        code=audit.Code.INPUT_VALIDATION_FAIL,
        action=audit.Crude.CREATE,
        outcome=audit.Outcome.DENIED,
        object_type="compliance.MaskTerm",
        detail={"reason": refused.reason},
    )


def _blind_index(words: str) -> bytes:
    return sealed.blind_index(normalise(words).text.casefold(), context="mask term")


def deciders(term: MaskTerm) -> list[User]:
    """The people who may decide on it: they manage masking and did not propose it."""
    able = notices.holders(*permitted_roles(Action.MANAGE_MASKING))
    return [person for person in able if person.pk != term.proposed_by_id]


def approve(*, term_id: UUID, by: User) -> MaskTerm:
    """Put a term to use, on a second person's word; all processes follow within two seconds.

    Raises SecondPersonNeeded and AlreadyDecided.
    """
    return _decide(term_id, by, Status.APPROVED, "is in use")


def refuse(*, term_id: UUID, by: User) -> MaskTerm:
    """Decline it. Raises SecondPersonNeeded and AlreadyDecided."""
    return _decide(term_id, by, Status.REFUSED, "was refused")


def _decide(term_id: UUID, by: User, status: MaskTerm.Status, became: str) -> MaskTerm:
    term = MaskTerm.objects.select_related("proposed_by").get(pk=term_id)
    _needs_second_person(term, term.proposed_by_id, by)
    with transaction.atomic():
        _move(term, Status.PROPOSED, status=status, decided_by=by, decided_at=clock.now())
        title, text = "A local term was decided on", f"The one you proposed {became}."
        notices.tell([term.proposed_by], title=title, text=text, url=PAGE)
    return term


def _needs_second_person(term: MaskTerm, first: UUID | None, by: User) -> None:
    if first == by.pk:
        refusals.second_person_needed(by, Action.MANAGE_MASKING, term)
        raise SecondPersonNeeded


@transaction.atomic
def withdraw(*, term_id: UUID, by: User) -> MaskTerm:
    """Who proposed it takes it back. Raises NotYours and AlreadyDecided."""
    term = MaskTerm.objects.get(pk=term_id)
    if term.proposed_by_id != by.pk:
        raise NotYours
    _move(term, Status.PROPOSED, status=Status.WITHDRAWN, decided_by=by, decided_at=clock.now())
    return term


def end(*, term_id: UUID, by: User) -> MaskTerm:
    """Masking follows it no longer; everybody else who manages masking is told. The end of a term that masks is only
    proposed by the first person who asks for it. Raises SecondPersonNeeded and AlreadyDecided."""
    term = MaskTerm.objects.get(pk=term_id)
    if term.kind == Kind.MASK and term.end_proposed_by_id is None:
        return _propose_end(term, by)
    _needs_second_person(term, term.end_proposed_by_id, by)
    with transaction.atomic():
        _move(term, Status.APPROVED, status=Status.ENDED, ended_by=by, ended_at=clock.now())
        _tell_others(by, "A local term of masking was ended", f"{by.name} ended a term: {_kind(term)}.")
    return term


@transaction.atomic
def _propose_end(term: MaskTerm, by: User) -> MaskTerm:
    _move(term, Status.APPROVED, end_proposed_by=by)
    text = f"{by.name} proposes to end a term: {_kind(term)}. It needs the decision of a second person."
    _tell_others(by, "The end of a local term waits", text)
    return term


@transaction.atomic
def keep(*, term_id: UUID, by: User) -> MaskTerm:
    """Whoever manages masking leaves a term in use whose end was proposed. Raises AlreadyDecided."""
    term = MaskTerm.objects.get(pk=term_id)
    if term.end_proposed_by_id is None:
        raise AlreadyDecided
    _move(term, Status.APPROVED, end_proposed_by=None)
    _tell_others(by, "A local term stays in use", f"{by.name} leaves a term in use: {_kind(term)}.")
    return term


def _kind(term: MaskTerm) -> str:
    return MaskTerm.Kind(term.kind).label.lower()


def _tell_others(by: User, title: str, text: str) -> None:
    others = [person for person in notices.holders(*permitted_roles(Action.MANAGE_MASKING)) if person != by]
    notices.tell(others, title=title, text=text, url=PAGE, level=Notice.Level.WARNING)


def _move(term: MaskTerm, from_status: MaskTerm.Status, **to: object) -> None:
    """Change it if it still stands where it did, whoever else may be deciding at this moment. In a transaction.

    The words of a term that is over are erased: nothing needs them, and they may be a patient's.
    """
    locked = MaskTerm.objects.select_for_update().filter(pk=term.pk, status=from_status).first()
    if locked is None or locked.end_proposed_by_id != term.end_proposed_by_id:
        raise AlreadyDecided
    if to.get("status") in MaskTerm.OVER:
        to |= {"words": "", "blind_index": b""}
    for name, value in to.items():
        setattr(term, name, value)
    term.save(update_fields=list(to))
