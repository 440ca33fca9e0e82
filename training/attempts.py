"""Assessments: begun, answered, graded; unlocked after the last, and with more time. The only writer of attempts.

How often somebody may try is a number of rows that exist: starting claims one, and no number of clicks makes another.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Final

from django.db import transaction
from django.urls import reverse

from clinchat.lib import clock
from compliance import notices
from compliance.access import Action, people, refusals
from compliance.models import User
from training import certificates, clearing, enrolments, learning, statements
from training.bank import answers, drawing, grading
from training.bank.drawing import Drawn
from training.bank.types import Item, Lesson, Module, Rules
from training.models import Accommodation, Answer, Attempt, Enrolment, ModuleVersion

TIMES: Final = {Accommodation.More.HALF: Fraction(3, 2), Accommodation.More.DOUBLE: Fraction(2)}
FOUR_PLACES: Final = Decimal("0.0001")


class LessonsUnread(Exception):
    """These lessons come before the assessment."""

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        super().__init__()
        self.lessons = lessons


class CoolingOff(Exception):
    """The last attempt failed a short while ago; the next one opens at `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until


class NoneLeft(Exception):
    """Every attempt was used. Somebody who supervises the training can unlock one."""


class Over(Exception):
    """The attempt is graded, or its time has passed. Nothing is saved any more."""


class Newer(Exception):
    """Another window has saved another answer since the form was opened; `answer` is that one."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class NotAttested(Exception):
    """The person has not said that the answers are their own."""


class Oneself(Exception):
    """Nobody unlocks an attempt of their own, or gives themselves more time."""


class OutOfReach(Exception):
    """The person is of another department."""


class NothingToUnlock(Exception):
    """There is an attempt left, or the module is passed."""


@dataclass(frozen=True)
class Question:
    """One question of a form, with the row that holds its answer."""

    answer: Answer
    item: Item
    drawn: Drawn

    @property
    def whole(self) -> bool:
        return answers.is_whole(self.answer.given)


def form_of(attempt: Attempt) -> list[Question]:
    """The questions of a begun attempt, in the order shown."""
    assert attempt.version is not None  # noqa: S101  # a constraint of the table
    items = {item.key: item for item in attempt.version.module.items}
    return [_question(answer, items) for answer in attempt.answers.all()]


def _question(answer: Answer, items: Mapping[str, Item]) -> Question:
    return Question(answer, items[answer.item], Drawn(answer.item, answer.orders))


# ── Taking it ──────────────────────────────────────────────────────────────────────────────────────────────────


def start(*, person: User, slug: str) -> Attempt:
    """Begin the next attempt; one that is open is gone on with instead, however many ask at the same moment.

    Raises enrolments.UnknownModule and NothingToDo, LessonsUnread, CoolingOff and NoneLeft.
    """
    finish_overdue(person=person)
    with transaction.atomic():
        version = enrolments.in_force(slug)
        turn = enrolments.begin(person=person, slug=slug, version=version)
        Enrolment.objects.select_for_update(no_key=True).get(pk=turn.pk)
        tried = list(turn.attempts.all())
        held = next((one for one in tried if one.state == Attempt.State.OPEN), None)
        return held or _begin(turn, version, _next(turn, version.module, tried), tried)


def _next(turn: Enrolment, module: Module, tried: Sequence[Attempt]) -> Attempt:
    """The attempt that may be begun now. Raises LessonsUnread, NoneLeft and CoolingOff."""
    lessons = learning.unread(turn, module)
    if lessons:
        raise LessonsUnread(lessons)
    free = [one for one in tried if one.state == Attempt.State.UNUSED]
    if not free:
        raise NoneLeft
    until = waits_until(tried, module.rules)
    if until is not None:
        raise CoolingOff(until)
    return free[0]


def opens_at(tried: Sequence[Attempt], rules: Rules) -> datetime | None:
    """When the next attempt opens after the last that failed; after an unlocked one as after the last of the rules."""
    failed = [one for one in tried if one.state == Attempt.State.GRADED and not one.passed]
    if not failed or failed[-1].submitted_at is None:
        return None
    return failed[-1].submitted_at + timedelta(seconds=rules.wait[min(len(failed), len(rules.wait)) - 1])


def waits_until(tried: Sequence[Attempt], rules: Rules) -> datetime | None:
    """The same while that is to come; None when the next attempt is open, as far as time goes."""
    until = opens_at(tried, rules)
    return until if until is not None and until > clock.now() else None


def _begin(turn: Enrolment, version: ModuleVersion, right: Attempt, tried: Sequence[Attempt]) -> Attempt:
    module, now, seed = version.module, clock.now(), secrets.token_hex(16)
    earlier = [one for one in tried if one.started_at]
    seen = set(Answer.objects.filter(attempt__in=earlier).values_list("item", flat=True))
    form = drawing.draw(module.items, enrolments.blueprint_of(turn, module), seed=seed, seen=seen)
    right.state, right.version, right.seed = Attempt.State.OPEN, version, seed
    right.started_at, right.ends_at = now, _ends_at(turn.person, module.rules, now)
    claimed = Attempt.objects.filter(pk=right.pk, state=Attempt.State.UNUSED).update(
        state=right.state, version=version, seed=seed, started_at=now, ends_at=right.ends_at
    )
    if claimed != 1:  # the lock on the turn keeps this from happening; nothing rests on it
        raise NoneLeft
    Answer.objects.bulk_create(
        Answer(attempt=right, number=number, item=drawn.key, orders=[list(order) for order in drawn.orders])
        for number, drawn in enumerate(form, 1)
    )
    statements.attempted(right)
    return right


def _ends_at(person: User, rules: Rules, now: datetime) -> datetime | None:
    granted = accommodation_of(person)
    if rules.minutes is None or (granted and granted.more == Accommodation.More.UNLIMITED):
        return None
    times = TIMES[Accommodation.More(granted.more)] if granted else Fraction(1)
    return now + timedelta(seconds=int(rules.minutes * 60 * times))


def save(*, attempt: Attempt, number: int, sent: Mapping[str, Sequence[str]], revision: int) -> Answer:
    """Keep what the form of one question holds. `revision` is that of the answer the form was made from.

    The same answer again changes nothing. Raises Over, Newer, answers.NotAnAnswer and Answer.DoesNotExist.
    """
    with transaction.atomic():
        held = Attempt.objects.select_for_update(no_key=True).get(pk=attempt.pk)
        if held.state != Attempt.State.OPEN or held.is_over(clock.now()):
            raise Over
        assert attempt.version is not None  # noqa: S101  # a constraint of the table
        items = {item.key: item for item in attempt.version.module.items}
        question = _question(held.answers.get(number=number), items)
        answer, given = question.answer, answers.read(question.item, question.drawn, sent)
        if given == answer.given:
            return answer
        if answer.revision != revision:
            raise Newer(answer)
        answer.given, answer.revision, answer.saved_at = given, answer.revision + 1, clock.now()
        answer.save(update_fields=["given", "revision", "saved_at"])
        return answer


def submit(*, attempt: Attempt, attested: bool) -> Attempt:
    """Grade the attempt, with everything that follows from passing. Submitting twice is submitting once.

    Raises NotAttested.
    """
    with transaction.atomic():
        held = _locked(attempt)
        if held.state == Attempt.State.GRADED:
            return held
        if not attested and not held.is_over(clock.now()):
            raise NotAttested
        return _grade(held, attested=attested)


def finish_overdue(*, person: User | None = None) -> int:
    """Grade what was saved in attempts whose time has passed, of one person or of everybody; returns how many."""
    now = clock.now()
    overdue = Attempt.objects.filter(state=Attempt.State.OPEN, ends_at__lte=now)
    if person is not None:
        overdue = overdue.filter(enrolment__person=person)
    done = 0
    for attempt in overdue:
        with transaction.atomic():
            held = _locked(attempt)
            if held.state == Attempt.State.OPEN:
                _grade(held, attested=False)
                done += 1
    return done


def _locked(attempt: Attempt) -> Attempt:
    """The turn first and then the attempt, as everywhere, so that nobody waits for each other."""
    Enrolment.objects.select_for_update(no_key=True).get(pk=attempt.enrolment_id)
    found = Attempt.objects.select_related("enrolment__person", "version").defer("version__content")
    return found.select_for_update(of=("self",), no_key=True).get(pk=attempt.pk)


def _grade(held: Attempt, *, attested: bool) -> Attempt:
    assert held.version is not None  # noqa: S101  # a constraint of the table
    now, percent = clock.now(), held.version.module.rules.pass_percent
    graded = [(one.answer, grading.points(one.item, one.answer.given)) for one in form_of(held)]
    for answer, points in graded:
        answer.points = _decimal(points)
    Answer.objects.bulk_update([answer for answer, _ in graded], ["points"])
    earned = [points for _, points in graded]
    held.state, held.attested, held.pass_percent = Attempt.State.GRADED, attested, percent
    held.submitted_at = min(now, held.ends_at or now)
    held.points, held.most = _decimal(sum(earned, Fraction(0))), len(earned)
    held.passed = grading.passes(earned, percent=percent)
    held.save()
    statements.graded(held)
    if held.passed:
        _pass(held, now, percent=sum(earned, Fraction(0)) * 100 // len(earned))
    return held


def _pass(held: Attempt, now: datetime, *, percent: int) -> None:
    """In the transaction that graded it. A turn that another has replaced meanwhile stays closed."""
    turn = held.enrolment
    if turn.closed_at is not None:
        return
    enrolments.complete(turn, now=now)
    if turn.kind != Enrolment.Kind.CHANGE:
        assert held.version is not None  # noqa: S101  # a constraint of the table
        certificates.issue(enrolment=turn, version=held.version, percent=percent)
        enrolments.catch_up(person=turn.person, passed=held.version, now=now)
    clearing.settle(turn.person)


def _decimal(points: Fraction) -> Decimal:
    exact = Decimal(points.numerator) / Decimal(points.denominator)
    return exact.quantize(FOUR_PLACES, rounding=ROUND_DOWN)


def percent_of(attempt: Attempt) -> int:
    """Of the points, rounded down."""
    return int((attempt.points or 0) * 100 / (attempt.most or 1))


# ── Supervising it ─────────────────────────────────────────────────────────────────────────────────────────────


def unlock(*, enrolment: Enrolment, by: User, reason: str) -> Attempt:
    """One more attempt after the last has failed. `reason` is masked.

    The wait after the last attempt goes on. Raises Oneself, OutOfReach and NothingToUnlock.
    """
    _supervises(by, enrolment.person)  # before the transaction, so that a refusal stays on record
    with transaction.atomic():
        return _unlock(enrolment, by, reason)


def _unlock(enrolment: Enrolment, by: User, reason: str) -> Attempt:
    Enrolment.objects.select_for_update(no_key=True).get(pk=enrolment.pk)
    turn = Enrolment.objects.open().filter(pk=enrolment.pk).first()
    tried = list(enrolment.attempts.all())
    if turn is None or any(one.state != Attempt.State.GRADED for one in tried):
        raise NothingToUnlock
    more = Attempt.objects.create(
        enrolment=turn, number=tried[-1].number + 1, unlocked_by=by, unlocked_at=clock.now(), unlock_reason=reason
    )
    version: ModuleVersion = enrolments.in_force(turn.slug)
    notices.tell(
        [turn.person],
        title="You can try again",
        text=f"{by.name} has unlocked one more attempt of {version.title}.",
        url=reverse("training-module", args=[turn.slug]),
        mail=True,
    )
    return more


def accommodation_of(person: User) -> Accommodation | None:
    """More time that the person has now."""
    return person.accommodations.filter(ended_at=None).first()


def accommodate(*, person: User, more: Accommodation.More, by: User) -> Accommodation:
    """More time for attempts begun from now on; another one that is granted ends. Raises Oneself and OutOfReach."""
    _supervises(by, person)
    with transaction.atomic():
        _end_accommodation(person)
        granted = Accommodation.objects.create(person=person, more=more, granted_by=by, granted_at=clock.now())
        notices.tell(
            [person],
            title="You have more time in assessments",
            text=f"{granted.get_more_display()}, from the next attempt on.",
            url=reverse("training"),
        )
    return granted


def end_accommodation(*, person: User, by: User) -> int:
    """The usual time holds again for attempts begun from now on. Raises Oneself and OutOfReach."""
    _supervises(by, person)
    with transaction.atomic():
        return _end_accommodation(person)


def _end_accommodation(person: User) -> int:
    User.objects.select_for_update(no_key=True).get(pk=person.pk)  # two at the same moment wait for each other
    return Accommodation.objects.filter(person=person, ended_at=None).update(ended_at=clock.now())


def _supervises(by: User, person: User) -> None:
    if by.pk == person.pk:
        refusals.second_person_needed(by, Action.MANAGE_TRAINING, person)
        raise Oneself
    if not people.rule(by, Action.MANAGE_TRAINING, person):
        refusals.against_a_rule(by, OutOfReach(), person)
        raise OutOfReach
