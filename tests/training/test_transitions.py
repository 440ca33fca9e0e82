"""The table of transitions, walked whole: no path leads to a clearance without the four approvals of its round."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator

import pytest

from compliance.access import Role
from training.approvals import transitions
from training.approvals.transitions import TABLE, Actor, Situation, Why
from training.models.approvals import APPROVALS, OWN, WAITING, WITH_REASON, Stage, Step

MOST = 1_000_000
WARD, OTHER = "Ward", "Other ward"
APPLICANT = Actor("applicant", frozenset(Role) - {Role.ADMIN}, WARD)
"""Holds every role that decides, so that nothing but being the applicant stops them."""
PEOPLE = (
    APPLICANT,
    Actor("admin", frozenset({Role.ADMIN})),
    Actor("manager", frozenset({Role.COMPLIANCE_MANAGER, Role.PRIVACY_OFFICER})),
    Actor("head", frozenset({Role.DEPARTMENT_HEAD}), WARD),
    Actor("other head", frozenset({Role.DEPARTMENT_HEAD}), OTHER),
    Actor("officer", frozenset({Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER, Role.DEPARTMENT_HEAD}), WARD),
    Actor("security", frozenset({Role.SECURITY_OFFICER})),
)
Approvals = frozenset[tuple[Step, str, str]]
State = tuple[Stage, Approvals]


def steps(state: State) -> Iterator[State]:
    """Every state that one step of anybody, for themselves or for anybody else, leads to."""
    stage, approvals = state
    deciders = {key for _, by, behind in approvals for key in (by, behind) if key}
    situation = Situation(stage, APPLICANT, deciders)
    for step, by, behind in itertools.product(Step, PEOPLE, (None, *PEOPLE)):
        if by == behind or transitions.why_not(step, situation, by=by, behind=behind) is not None:
            continue
        kept = frozenset() if transitions.begins_round(step, stage) else approvals
        if step in APPROVALS:
            kept |= {(step, by.key, behind.key if behind else "")}
        yield TABLE[step].after, kept


def walk() -> dict[State, State | None]:
    start: State = (Stage.DRAFT, frozenset())
    found: dict[State, State | None] = {start: None}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        for following in steps(state):
            if following not in found:
                found[following] = state
                queue.append(following)
        assert len(found) < MOST
    return found


def test_no_path_clears_anybody_without_the_four_approvals_of_the_round() -> None:
    found = walk()
    cleared = [approvals for stage, approvals in found if stage == Stage.CLEARED]
    assert cleared, "the walk has to get there"
    assert {stage for stage, _ in found} == set(Stage), "every stage is reached"
    roles = {person.key: person for person in PEOPLE}
    for approvals in cleared:
        assert {step for step, *_ in approvals} == set(APPROVALS)
        used = [key for _, by, behind in approvals for key in (by, behind) if key]
        assert len(used) == len(set(used)), f"somebody counts twice in {approvals}"
        assert APPLICANT.key not in used
        for step, by, behind in approvals:
            power = roles[behind or by]
            assert power.roles & (TABLE[step].roles | TABLE[step].instead)
            assert power.key != "other head"


def test_a_new_round_begins_with_no_approval() -> None:
    assert all(not approvals for stage, approvals in walk() if stage in {Stage.DRAFT, Stage.TRAINED})


def test_each_waiting_stage_waits_for_one_approval() -> None:
    assert [transitions.next_approval(stage) for stage in WAITING] == list(APPROVALS)
    assert all(transitions.next_approval(stage) is None for stage in set(Stage) - set(WAITING))


def test_the_table_and_the_database_name_the_same_steps() -> None:
    assert set(TABLE) == set(Step)
    assert {step for step, row in TABLE.items() if not row.roles} == {*OWN, Step.RETURN}
    assert {step for step in Step if transitions.needs_reason(step)} == set(WITH_REASON)


@pytest.mark.parametrize(
    ("step", "stage", "by", "why"),
    [
        (Step.IDENTITY, Stage.TRAINED, PEOPLE[1], None),
        (Step.IDENTITY, Stage.TRAINED, PEOPLE[3], Why.ROLE),
        (Step.HEAD, Stage.IDENTIFIED, PEOPLE[3], None),
        (Step.HEAD, Stage.IDENTIFIED, PEOPLE[4], Why.ROLE),
        (Step.HEAD, Stage.TRAINED, PEOPLE[3], Why.STAGE),
        (Step.SECURITY, Stage.PRIVACY, APPLICANT, Why.NOT_ONES_OWN),
        (Step.RETURN, Stage.HEAD, PEOPLE[2], None),
        (Step.RETURN, Stage.HEAD, PEOPLE[3], Why.ROLE),
        (Step.SUSPEND, Stage.CLEARED, PEOPLE[3], None),
        (Step.SUSPEND, Stage.CLEARED, PEOPLE[4], Why.ROLE),
        (Step.SUSPEND, Stage.CLEARED, PEOPLE[1], Why.ROLE),
        (Step.RECERTIFY, Stage.CLEARED, PEOPLE[6], None),
        (Step.WITHDRAW, Stage.HEAD, APPLICANT, None),
        (Step.WITHDRAW, Stage.HEAD, PEOPLE[1], Why.NOT_ONES_OWN),
    ],
)
def test_who_may_do_what(step: Step, stage: Stage, by: Actor, why: Why | None) -> None:
    assert transitions.why_not(step, Situation(stage, APPLICANT), by=by) == why


@pytest.mark.parametrize(
    ("applicant", "why"),
    [
        (Actor("head of it", frozenset({Role.DEPARTMENT_HEAD}), WARD), None),
        (Actor("of none", frozenset({Role.CLINICIAN})), None),
        (Actor("of the ward", frozenset({Role.CLINICIAN}), WARD), Why.ROLE),
    ],
)
def test_where_no_head_is_above_compliance_decides(applicant: Actor, why: Why | None) -> None:
    asked = Situation(Stage.IDENTIFIED, applicant)
    for step in (Step.HEAD, Step.RETURN):
        assert transitions.why_not(step, asked, by=PEOPLE[2]) == why
