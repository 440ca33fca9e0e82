"""What no code may break is held by the database: each rule refuses a statement that goes around all services."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import Error, connection, transaction

from tests import cast
from tests.training.making_approvals import reached, take
from training.approvals import deciding
from training.models.approvals import Stage, Step

pytestmark = pytest.mark.django_db


def refused(statement: str, **values: Any) -> str:
    """The message with which the database refuses the statement; the test fails when it does not."""
    with pytest.raises(Error) as error, transaction.atomic(), connection.cursor() as cursor:  # noqa: PT012  # one act
        cursor.execute(statement, values)
        assert cursor.rowcount > 0, "the statement met no row, so it proves nothing"
    return str(error.value)


DECISION = (
    "INSERT INTO training_stagedecision (id, request_id, applicant_id, round, step, before, after, by_id, at, "
    "proved_at, granted, reason) SELECT gen_random_uuid(), id, person_id, round, %(step)s, stage, stage, %(by)s, "
    "now(), %(proved)s, '', %(reason)s FROM training_accessrequest WHERE id = %(request)s"
)


def test_nobody_is_cleared_without_the_four_approvals() -> None:
    request = reached(Stage.PRIVACY)
    words = refused(
        "UPDATE training_accessrequest SET stage = 'cleared', recertify_by = now() + interval '90 days' "
        "WHERE id = %(pk)s",
        pk=request.pk,
    )
    assert "without all approvals" in words


def test_approvals_of_an_earlier_round_count_for_nothing() -> None:
    request = reached(Stage.CLEARED)
    assert "without all approvals" in refused(
        "UPDATE training_accessrequest SET round = 2 WHERE id = %(pk)s", pk=request.pk
    )


def test_what_was_revoked_is_not_cleared_by_its_old_approvals() -> None:
    request = reached(Stage.CLEARED)
    take(request, Step.REVOKE, cast.pat())
    cleared = "UPDATE training_accessrequest SET stage = 'cleared', round = 1 WHERE id = %(pk)s"
    assert "begins anew" in refused(cleared, pk=request.pk)
    request.refresh_from_db()
    deciding.reapply(request_id=request.pk, by=cast.nadia(), revision=request.revision)
    again = cleared.replace("round = 1", "round = 1, recertify_by = now() + interval '9 days'")
    assert "begins anew" in refused(again, pk=request.pk)


def test_no_clearance_without_a_request_that_is_cleared() -> None:
    request = reached(Stage.PRIVACY)
    words = refused(
        "INSERT INTO compliance_clearance (id, user_id, granted_at, expires_at, reason, basis) VALUES "
        "(gen_random_uuid(), %(user)s, now(), now() + interval '9 days', 'None', 'onboarding')",
        user=request.person_id,
    )
    assert "rests on a request" in words


@pytest.mark.parametrize(
    ("step", "by", "proved", "reason", "rule"),
    [
        (Step.PRIVACY, cast.nadia, "now", "", "approver_is_not_the_applicant"),
        (Step.SUBMIT, cast.pat, "now", "", "approver_is_not_the_applicant"),
        (Step.PRIVACY, cast.dora, "now", "", "each_stage_by_somebody_else"),
        (Step.HEAD, cast.pat, "now", "", "each_stage_once_a_round"),
        (Step.RETURN, cast.pat, "now", "", "decision_has_its_reason"),
        (Step.PRIVACY, cast.pat, None, "", "decision_with_a_second_factor"),
    ],
)
def test_decisions_that_break_a_rule_are_not_kept(
    step: Step, by: object, proved: str | None, reason: str, rule: str
) -> None:
    request = reached(Stage.HEAD)
    who = by().pk  # type: ignore[operator]
    assert rule in refused(DECISION, request=request.pk, step=step.value, by=who, proved=proved, reason=reason)


def test_what_was_decided_stays() -> None:
    request = reached(Stage.IDENTIFIED)
    refused("UPDATE training_stagedecision SET reason = 'Another' WHERE request_id = %(pk)s", pk=request.pk)
    for table in ("stagedecision", "accessrequest", "certificate", "enrolment"):
        refused(f"DELETE FROM training_{table}")


def test_a_delegation_is_to_somebody_else_and_short() -> None:
    insert = (
        "INSERT INTO training_delegation (id, owner_id, delegate_id, step, starts_at, ends_at, reason) VALUES "
        "(gen_random_uuid(), %(owner)s, %(delegate)s, 'identity', now(), now() + %(days)s * interval '1 day', 'Away')"
    )
    carol, ada = cast.carol().pk, cast.ada().pk
    assert "delegation_to_somebody_else" in refused(insert, owner=carol, delegate=carol, days=3)
    assert "delegation_of_fourteen_days" in refused(insert, owner=carol, delegate=ada, days=15)


def test_a_certificate_is_only_ever_revoked() -> None:
    reached(Stage.TRAINED)
    refused("UPDATE training_certificate SET expires_at = expires_at + interval '9 days'")
