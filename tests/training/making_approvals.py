"""Requests for access in each stage, made through the services by people of the cast."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from clinchat.lib import clock
from compliance.models import User
from tests import cast
from tests.training import certified
from training.approvals import deciding, waiting
from training.approvals.deciding import License, Proof
from training.models import AccessRequest, StageDecision
from training.models.approvals import Stage, Step

ORDER = (Step.IDENTITY, Step.HEAD, Step.PRIVACY, Step.SECURITY)
WHO = {Step.IDENTITY: cast.carol, Step.HEAD: cast.dora, Step.PRIVACY: cast.pat, Step.SECURITY: cast.sam}
REACHED = {Stage.TRAINED: 0, Stage.IDENTIFIED: 1, Stage.HEAD: 2, Stage.PRIVACY: 3, Stage.CLEARED: 4}


def proof(looked: int | None = 60, *, minutes: int = 1) -> Proof:
    return Proof(clock.now() - timedelta(minutes=minutes), looked)


def license_found(days: int = 400) -> License:
    return License("RN", "Oregon", timezone.localdate() + timedelta(days=days))


def fresh(person: User) -> User:
    """As the next request sees them: with the roles of now."""
    return User.objects.get(pk=person.pk)


def staff() -> None:
    """The four who approve hold their certificates."""
    for who in WHO.values():
        if not waiting_certificates(who()):
            certified.train(who())


def waiting_certificates(person: User) -> bool:
    return person.certificates.exists()


def take(request: AccessRequest, step: Step, by: User, **options: object) -> StageDecision:
    """One step as it stands in the database now."""
    request.refresh_from_db()
    given: dict[str, object] = {"proof": proof(), "revision": request.revision, "reason": "Because of this"}
    if step == Step.IDENTITY:
        given["license_found"] = license_found()
    return deciding.decide(request_id=request.pk, step=step, by=fresh(by), **{**given, **options})  # type: ignore[arg-type]


def sent_in(person: User) -> AccessRequest:
    """The person is trained and has sent the request in."""
    if not waiting_certificates(person):
        certified.train(person)
    request = deciding.open_request(person=person)
    deciding.submit(request_id=request.pk, by=fresh(person), revision=request.revision)
    request.refresh_from_db()
    return request


def reached(stage: Stage, person: User | None = None) -> AccessRequest:
    """A request of nadia, or of the person, that was approved up to this stage."""
    staff()
    request = sent_in(person or cast.nadia())
    for step in ORDER[: REACHED[stage]]:
        take(request, step, WHO[step]())
    request.refresh_from_db()
    assert request.stage == stage
    return request


def may_ask(person: User) -> bool:
    return person.clearances.live(clock.now()).filter(basis="onboarding").exists()


def mine(person: User) -> set[AccessRequest]:
    return set(waiting.for_viewer(fresh(person)))
