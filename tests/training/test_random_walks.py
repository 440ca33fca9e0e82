"""Random people with random roles do random things: never does anybody count twice, or for themselves."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from clinchat.lib import clock
from compliance.access import Role
from compliance.models import User
from tests.factories import make_user
from tests.training import certified
from tests.training.making_approvals import fresh, license_found, may_ask, proof
from training.approvals import deciding, refusals, transitions
from training.approvals.transitions import TABLE, Actor, Situation
from training.models import AccessRequest, Delegation, StageDecision
from training.models.approvals import APPROVALS, OWN, Stage, Step

WALKS, STEPS = 10_000, 16
DATABASE_WALKS, DATABASE_STEPS = 30, 6
ROLES = (
    *(Role.ADMIN, Role.COMPLIANCE_MANAGER, Role.DEPARTMENT_HEAD, Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER),
    Role.CLINICIAN,
)
WARDS = ("Ward", "Other ward")


class Model:
    """A request as the rules alone move it. `approvals` are of this round: step, who, for whom."""

    def __init__(self, applicant: Actor) -> None:
        self.applicant, self.stage = applicant, Stage.DRAFT
        self.approvals: list[tuple[Step, str, str]] = []

    def refuses(self, step: Step, by: Actor, behind: Actor | None) -> bool:
        taken = {key for _, who, whom in self.approvals for key in (who, whom) if key}
        situation = Situation(self.stage, self.applicant, taken)
        return transitions.why_not(step, situation, by=by, behind=behind) is not None

    def take(self, step: Step, by: Actor, behind: Actor | None) -> bool:
        if self.refuses(step, by, behind):
            return False
        if transitions.begins_round(step, self.stage):
            self.approvals = []
        if step in APPROVALS:
            self.approvals.append((step, by.key, behind.key if behind else ""))
        self.stage = TABLE[step].after
        return True

    def check(self) -> None:
        used = [key for _, who, whom in self.approvals for key in (who, whom) if key]
        assert len(used) == len(set(used)), self.approvals
        assert self.applicant.key not in used, self.approvals
        if self.stage == Stage.CLEARED:
            assert [step for step, *_ in self.approvals] == list(APPROVALS)


def likely(rng: random.Random, stage: Stage) -> Step:
    """Mostly what is possible here, so that walks get far; sometimes anything."""
    possible = [step for step in Step if stage in TABLE[step].before]
    if rng.random() < 0.15:
        return rng.choice(list(Step))
    forward = [step for step in possible if step in {Step.SUBMIT, *APPROVALS}]
    return rng.choice(forward) if forward and rng.random() < 0.7 else rng.choice(possible)


def people(rng: random.Random, count: int) -> list[Actor]:
    return [
        Actor(str(number), frozenset(rng.sample(ROLES, rng.choice((1, 1, 2, 3)))), rng.choice(WARDS))
        for number in range(count)
    ]


def test_ten_thousand_walks_by_the_rules() -> None:
    rng, cleared = random.Random(8), 0
    for _ in range(WALKS):
        cast = people(rng, 9)
        model = Model(cast[0])
        for _ in range(STEPS):
            step = likely(rng, model.stage)
            by = cast[0] if step in OWN and rng.random() < 0.9 else rng.choice(cast)
            behind = rng.choice(cast) if rng.random() < 0.3 else None
            model.take(step, by, behind if behind != by else None)
            model.check()
            cleared += model.stage == Stage.CLEARED
    assert cleared > 500, "walks that never get there prove nothing"


@pytest.mark.django_db
def test_walks_through_the_database_end_where_the_rules_say() -> None:
    rng, seen = random.Random(8), set()
    users = _users()
    actors = {user.pk: Actor(str(user.pk), fresh(user).roles, user.department) for user in users}
    for _ in range(DATABASE_WALKS):
        applicant = make_user(roles=[Role.CLINICIAN, Role.PRIVACY_OFFICER], department=WARDS[0])
        certified.train(applicant)
        actors[applicant.pk] = Actor(str(applicant.pk), applicant.roles, applicant.department)
        request, model = deciding.open_request(person=applicant), Model(actors[applicant.pk])
        for _ in range(DATABASE_STEPS):
            step = likely(rng, model.stage)
            who = applicant if step in OWN else rng.choice([*_able(users, step, model.stage), applicant])
            owner = rng.choice(users) if rng.random() < 0.3 and step in APPROVALS and who not in {applicant} else None
            owner = None if owner == who else owner
            moved = model.take(step, actors[who.pk], actors[owner.pk] if owner else None)
            assert _try(request, step, who, owner) == moved, (step, who, owner, request.stage)
            request.refresh_from_db()
            assert request.stage == model.stage
            assert may_ask(applicant) == (model.stage == Stage.CLEARED)
            model.check()
            seen.add(model.stage)
        assert StageDecision.objects.filter(request=request, by=applicant).exclude(step__in=OWN).count() == 0
    assert Stage.CLEARED in seen


def _users() -> list[User]:
    held = ([Role.ADMIN], [Role.COMPLIANCE_MANAGER], [Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER])
    users = [make_user(roles=roles) for roles in (*held, [Role.PRIVACY_OFFICER], [Role.SECURITY_OFFICER])]
    users += [make_user(roles=[Role.DEPARTMENT_HEAD], department=ward) for ward in WARDS]
    certified.train(*users)
    return users


def _able(users: list[User], step: Step, stage: Stage) -> list[User]:
    """Mostly those whose role it takes."""
    able = [user for user in users if transitions.deciding(step, stage).roles & user.roles]
    return able * 3 + users


def _try(request: AccessRequest, step: Step, who: User, owner: User | None) -> bool:
    delegation = None
    if owner is not None:
        now = clock.now()
        delegation = Delegation.objects.create(
            owner=owner, delegate=who, step=step, starts_at=now, ends_at=now + timedelta(days=1), reason="Away"
        )
    own = {Step.SUBMIT: deciding.submit, Step.WITHDRAW: deciding.withdraw, Step.REAPPLY: deciding.reapply}
    try:
        if step in own:
            own[step](request_id=request.pk, by=who, revision=request.revision)
        else:
            deciding.decide(
                request_id=request.pk,
                step=step,
                by=who,
                revision=request.revision,
                proof=proof(),
                reason="Because",
                license_found=license_found(),
                delegation_id=delegation.pk if delegation else None,
            )
    except refusals.Refused:
        return False
    return True
