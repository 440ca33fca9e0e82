"""How far somebody is, in each module and lesson of it. The only writer of what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from django.db import transaction
from django.urls import reverse

from clinchat.lib import clock
from compliance.models import User
from training import enrolments, statements
from training.bank.types import Lesson, Module
from training.models import Attempt, Certificate, Enrolment, LessonRead, ModuleVersion


class UnknownLesson(LookupError):
    """The module in force has no lesson of this name."""


class Changed(Exception):
    """The lesson has another text than the one that was open."""


class State(StrEnum):
    NOT_STARTED = "not started"
    IN_PROGRESS = "in progress"
    PASSED = "passed"
    RENEW = "renewal due"
    CATCH_UP = "catch up"


@dataclass(frozen=True)
class Place:
    """A lesson in its module. `needed`: the present turn is about it; `read`: in this turn, as it is now."""

    number: int
    lesson: Lesson
    needed: bool
    read: bool
    url: str


@dataclass(frozen=True)
class Progress:
    """One module for one person. `turn` is the open one, `certificate` the one that ends last."""

    version: ModuleVersion
    module: Module
    state: State
    turn: Enrolment | None
    certificate: Certificate | None
    attempts: Sequence[Attempt]
    places: Sequence[Place]
    due_at: datetime | None

    @property
    def needed(self) -> list[Place]:
        return [place for place in self.places if place.needed]

    @property
    def read(self) -> int:
        return sum(place.read for place in self.needed)

    @property
    def unread(self) -> list[Place]:
        return [place for place in self.needed if not place.read]

    @property
    def minutes_left(self) -> int:
        return sum(place.lesson.minutes for place in self.unread)

    @property
    def minutes(self) -> int:
        return sum(place.lesson.minutes for place in self.places)

    @property
    def passed(self) -> bool:
        return self.state is State.PASSED

    @property
    def open_attempt(self) -> Attempt | None:
        return next((one for one in self.attempts if one.state == Attempt.State.OPEN), None)

    @property
    def attempts_left(self) -> int:
        return sum(one.state == Attempt.State.UNUSED for one in self.attempts)

    @property
    def url(self) -> str:
        return reverse("training-module", args=[self.version.slug])

    @property
    def next_url(self) -> str:
        """Where to continue: the first lesson that is not read, then the assessment."""
        if self.open_attempt is not None:
            return reverse("attempt", args=[self.open_attempt.pk])
        if self.passed:
            return self.url
        return self.unread[0].url if self.unread else reverse("assessment", args=[self.version.slug])


@dataclass(frozen=True)
class Overview:
    """Every module in force, in order."""

    modules: Sequence[Progress]

    @property
    def passed(self) -> int:
        return sum(one.passed for one in self.modules)

    @property
    def minutes_left(self) -> int:
        return sum(one.minutes_left for one in self.modules)

    @property
    def next(self) -> Progress | None:
        """Where to go on: an assessment that is begun, else the first module that is not finished."""
        waiting = [one for one in self.modules if not one.passed]
        return next((one for one in waiting if one.open_attempt), waiting[0] if waiting else None)

    def of(self, slug: str) -> Progress:
        """Raises enrolments.UnknownModule."""
        for one in self.modules:
            if one.version.slug == slug:
                return one
        raise enrolments.UnknownModule(slug)


def overview(person: User) -> Overview:
    """How the person stands in each module. Five queries; a process that starts reads each module's content once."""
    now = clock.now()
    turns = {one.slug: one for one in Enrolment.objects.open().filter(person=person)}
    certificates: dict[str, Certificate] = {}
    for certificate in person.certificates.of_modules().filter(revoked_at=None).order_by("expires_at"):
        certificates[certificate.slug] = certificate
    reads = _reads(turns.values())
    attempts: dict[UUID, list[Attempt]] = {}
    for attempt in Attempt.objects.filter(enrolment__in=[one.pk for one in turns.values()]):
        attempts.setdefault(attempt.enrolment_id, []).append(attempt)
    found = []
    for version in ModuleVersion.objects.in_force().defer("content"):
        turn, certificate_of = turns.get(version.slug), certificates.get(version.slug)
        tried = attempts.get(turn.pk, []) if turn else []
        found.append(_progress(person, version, turn, certificate_of, tried, reads, now))
    return Overview(found)


def digest(lesson: Lesson) -> str:
    """What a mark of having read it stands for."""
    return sha256(lesson.text.encode()).hexdigest()


def unread(turn: Enrolment, module: Module) -> list[Lesson]:
    """The lessons of the turn that are not read as they are now, in order."""
    done = {(lesson, text) for _, lesson, text in _reads([turn])}
    needed = enrolments.lessons_of(turn, module)
    lessons = [lesson for lesson in module.lessons if lesson.key in needed]
    return [lesson for lesson in lessons if (lesson.key, digest(lesson)) not in done]


def mark_read(*, person: User, slug: str, lesson: str, version_id: UUID) -> LessonRead:
    """The person has read the lesson, as `version_id` has it. Doing it again changes nothing.

    Opens their turn through the module when it is time. Raises enrolments.UnknownModule and NothingToDo, UnknownLesson,
    and Changed when the text is another one now.
    """
    version = enrolments.in_force(slug)
    text = _text_of(version, lesson)
    if version.pk != version_id:
        opened = ModuleVersion.objects.filter(pk=version_id, slug=slug).first()
        if opened is None or text != _text_of(opened, lesson):
            raise Changed
    with transaction.atomic():
        turn = enrolments.begin(person=person, slug=slug, version=version)
        mark, new = LessonRead.objects.get_or_create(
            enrolment=turn, lesson=lesson, digest=text, defaults={"version": version, "read_at": clock.now()}
        )
        if new:
            statements.lesson_read(turn, version, lesson)
    return mark


def _text_of(version: ModuleVersion, key: str) -> str:
    for lesson in version.module.lessons:
        if lesson.key == key:
            return digest(lesson)
    raise UnknownLesson(key)


def _reads(turns: object) -> set[tuple[UUID, str, str]]:
    pks = [turn.pk for turn in turns]  # type: ignore[attr-defined]
    return set(LessonRead.objects.filter(enrolment__in=pks).values_list("enrolment_id", "lesson", "digest"))


def _progress(
    person: User,
    version: ModuleVersion,
    turn: Enrolment | None,
    certificate: Certificate | None,
    attempts: Sequence[Attempt],
    reads: set[tuple[UUID, str, str]],
    now: datetime,
) -> Progress:
    module = version.module
    state = _state(turn, certificate, now)
    needed = enrolments.lessons_of(turn, module) if turn else [one.key for one in module.lessons]
    places = [
        Place(
            number=number,
            lesson=lesson,
            needed=state is not State.PASSED and lesson.key in needed,
            read=turn is not None and (turn.pk, lesson.key, digest(lesson)) in reads,
            url=reverse("lesson", args=[version.slug, lesson.key]),
        )
        for number, lesson in enumerate(module.lessons, 1)
    ]
    if state is State.NOT_STARTED and (any(place.read for place in places) or _tried(attempts)):
        state = State.IN_PROGRESS
    return Progress(version, module, state, turn, certificate, attempts, places, _due(person, turn, certificate, state))


def _state(turn: Enrolment | None, certificate: Certificate | None, now: datetime) -> State:
    renewable = certificate is not None and certificate.expires_at <= now + enrolments.RENEW_FROM
    if renewable or (turn is not None and turn.kind == Enrolment.Kind.RENEWAL and certificate is not None):
        return State.RENEW
    if turn is not None and turn.kind == Enrolment.Kind.CHANGE:
        return State.CATCH_UP
    return State.NOT_STARTED if certificate is None else State.PASSED


def _tried(attempts: Sequence[Attempt]) -> bool:
    return any(one.state != Attempt.State.UNUSED for one in attempts)


def _due(person: User, turn: Enrolment | None, certificate: Certificate | None, state: State) -> datetime | None:
    if state is State.PASSED:
        return None
    if turn is not None:
        return turn.due_at
    return certificate.expires_at if certificate else person.created_at + enrolments.FIRST_DUE
