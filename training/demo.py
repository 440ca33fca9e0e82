"""Demo people who read, were assessed and approved by four others, by the same services as anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from string import ascii_lowercase
from typing import Final

from django.utils import timezone

from clinchat.lib import clock
from compliance import policies
from compliance.models import PolicyVersion, User
from training import attempts, enrolments, learning, standing
from training.approvals import deciding, transitions
from training.approvals.deciding import License, Proof
from training.bank.drawing import Drawn
from training.bank.types import SIX, Item, Kind, Option
from training.models import AccessRequest, ModuleVersion
from training.models.approvals import APPROVALS, Stage, Step

TRAINED: Final = ("dora", "pat", "sam", "carol", "ada", "alice", "bob")
"""Who has finished training; approvers have to have."""
APPROVERS: Final = {
    "alice": ("ada", "dora", "pat", "sam"),
    "bob": ("ada", "dora", "pat", "sam"),
    "dora": ("ada", "carol", "pat", "sam"),
}
"""Who is cleared, and by whom in the four stages."""
HALF_WAY: Final = "nadia"
_LICENSES: Final = {"MD": "MD", "RN": "RN"}


def furnish(people: Mapping[str, User]) -> None:
    """Train and clear the demo people. Without content there is nothing to train with, and nothing happens."""
    if not set(SIX) <= set(ModuleVersion.objects.in_force().values_list("slug", flat=True)):
        return
    for key in TRAINED:
        if key in people and standing.training_complete(people[key]):
            _accept(people[key])
            for slug in SIX:
                _pass(people[key], slug)
    for key, approvers in APPROVERS.items():
        if {key, *approvers} <= set(people) and standing.missing(people[key]):
            _clear(people[key], [people[approver] for approver in approvers])
    if HALF_WAY in people:
        _half_way(people[HALF_WAY])


def _accept(person: User) -> None:
    for policy in PolicyVersion.objects.in_force():
        policies.acknowledge(person=person, policy=policy)


def _pass(person: User, slug: str) -> None:
    """Read every lesson and answer every question right, unless that was done and still counts."""
    try:
        enrolments.begin(person=person, slug=slug)
    except enrolments.NothingToDo:
        return
    version = enrolments.in_force(slug)
    for lesson in version.module.lessons:
        learning.mark_read(person=person, slug=slug, lesson=lesson.key, version_id=version.pk)
    attempt = attempts.start(person=person, slug=slug)
    for question in attempts.form_of(attempt):
        attempts.save(
            attempt=attempt,
            number=question.answer.number,
            sent=right_fields(question.item, question.drawn),
            revision=question.answer.revision,
        )
    attempts.submit(attempt=attempt, attested=True)


def _clear(person: User, approvers: Sequence[User]) -> None:
    request = deciding.open_request(person=person)
    if request.stage in {Stage.DRAFT, Stage.RETURNED}:
        deciding.submit(request_id=request.pk, by=person, revision=request.revision)
    proof = Proof(clock.now(), looked_seconds=90)
    for step, approver in zip(APPROVALS, approvers, strict=True):
        request.refresh_from_db()
        if step != transitions.next_approval(Stage(request.stage)):
            continue
        found = _license(person) if step == Step.IDENTITY else None
        deciding.decide(
            request_id=request.pk, step=step, by=approver, revision=request.revision, proof=proof, license_found=found
        )
    request.refresh_from_db()
    if request.stage == Stage.CLEARED and (request.recertify_by or clock.now()) <= clock.now():
        deciding.decide(
            request_id=request.pk, step=Step.RECERTIFY, by=approvers[-1], revision=request.revision, proof=proof
        )


def _license(person: User) -> License:
    until = timezone.localdate() + timedelta(days=2 * 365)
    return License(_LICENSES.get(person.title, "RN"), "State board of the demo", until)


def _half_way(person: User) -> None:
    """Three modules are passed and the fourth is begun, as the sample page of the design has it."""
    if AccessRequest.objects.filter(person=person).exists() or person.enrolments.exists():
        return
    _accept(person)
    deciding.open_request(person=person)
    for slug in SIX[:3]:
        _pass(person, slug)
    version = enrolments.in_force(SIX[3])
    for lesson in version.module.lessons[:2]:
        learning.mark_read(person=person, slug=SIX[3], lesson=lesson.key, version_id=version.pk)


def right_fields(item: Item, drawn: Drawn) -> dict[str, list[str]]:
    """What the form of a question sends when everything in it is answered right."""
    match item.kind:
        case Kind.SINGLE | Kind.MULTIPLE:
            return {"answer": _letters(item.options, drawn.orders[0])}
        case Kind.ORDERING:
            return {f"step-{ascii_lowercase[place]}": [str(number + 1)] for place, number in enumerate(drawn.orders[0])}
        case Kind.MATCHING:
            order = list(drawn.orders[0])
            return {f"left-{ascii_lowercase[n]}": [ascii_lowercase[order.index(n)]] for n in range(len(item.pairs))}
        case Kind.CASE:
            return {
                f"part-{ascii_lowercase[n]}": _letters(part.options, drawn.orders[n])
                for n, part in enumerate(item.parts)
            }
        case Kind.NUMERIC:
            return {"answer": [item.numbers[0].value]}


def _letters(options: Sequence[Option], order: Sequence[int]) -> list[str]:
    return [ascii_lowercase[place] for place, number in enumerate(order) if options[number].right]


def register() -> None:
    from compliance import demo

    demo.also(furnish)
