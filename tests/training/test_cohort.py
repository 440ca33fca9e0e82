"""The cohort: everybody with an open account, each in one status a module; heads see their department alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinchat.lib import clock
from compliance.models import User
from tests import cast
from tests.training import certified, making_oversight
from training import cohort, enrolments
from training.cohort import Asked, Status
from training.models import Attempt, LessonRead

pytestmark = pytest.mark.django_db
PAGE = "/compliance/training/"


@pytest.fixture
def people() -> dict[str, User]:
    """One of each status in the first module."""
    certified.load_content()
    found = {name: getattr(cast, name)() for name in ("alice", "bob", "nadia", "dora", "carol", "ada")}
    now, version = clock.now(), making_oversight.module()
    certified.train(found["alice"])
    certified.certify(found["bob"], slug="hipaa", expires_at=now + timedelta(days=20))
    certified.certify(found["dora"], slug="hipaa", expires_at=now - timedelta(days=1))
    turn = enrolments.begin(person=found["nadia"], slug="hipaa")
    LessonRead.objects.create(enrolment=turn, version=version, lesson="x", digest="y")
    locked = enrolments.begin(person=found["carol"], slug="hipaa")
    Attempt.objects.filter(enrolment=locked).update(
        state="graded", started_at=now, submitted_at=now, version=version, seed="s", points=0, most=14,
        pass_percent=80, passed=False,
    )  # fmt: skip
    enrolments.begin(person=found["ada"], slug="hipaa")  # opened the module, and nothing else
    return found


def statuses(viewer: User, **asked: str) -> dict[str, Status]:
    rows = cohort.dashboard(viewer, Asked(**asked)).page.rows  # type: ignore[arg-type]
    return {row.name: row.cells[0].status for row in rows}


def test_each_is_counted_in_one_status(people: dict[str, User]) -> None:
    found = cohort.dashboard(people["carol"], Asked())
    assert statuses(people["carol"]) == {
        "Alice Adeyemi": Status.PASSED,
        "Bob Brandt": Status.DUE,
        "Dora Diaz": Status.EXPIRED,
        "Nadia Novak": Status.IN_PROGRESS,
        "Carol Chen": Status.LOCKED,
        "Ada Admin": Status.NOT_STARTED,
    }
    assert (found.people, found.complete) == (6, 1)
    assert [cell.words for cell in found.modules.rows[0]][1:] == ["1", "1", "1", "1", "1", "1"]
    assert [(one.name, one.people, one.complete, one.expired) for one in found.departments] == [
        ("Internal medicine", 4, 1, 1),
        ("", 2, 0, 0),
    ]
    assert sum(int(row[1].words) for row in found.passes.rows) == 6


def test_conditions(people: dict[str, User]) -> None:
    carol = people["carol"]
    assert set(statuses(carol, module="hipaa", status="expired")) == {"Dora Diaz"}
    assert set(statuses(carol, module="phi-handling", status="expired")) == set()
    assert set(statuses(carol, department="-")) == {"Ada Admin", "Carol Chen"}
    assert set(statuses(carol, q="o br")) == {"Bob Brandt"}
    assert set(statuses(carol, q="%")) == set()
    assert len(statuses(carol, status="nonsense")) == 0


def test_programs_and_closed_accounts_do_not_belong(people: dict[str, User]) -> None:
    User.objects.filter(pk=people["bob"].pk).update(is_active=False)
    User.objects.filter(pk=people["nadia"].pk).update(is_service=True)
    assert cohort.dashboard(people["carol"], Asked()).people == 4


def test_heads_see_their_department_and_nobody_else_does(people: dict[str, User]) -> None:
    dora = people["dora"]
    assert set(statuses(dora)) == {"Alice Adeyemi", "Bob Brandt", "Dora Diaz", "Nadia Novak"}
    assert set(statuses(dora, department="-")) == set()
    client = cast.sign_in(Client(), dora)
    assert "Carol Chen" not in client.get(PAGE).content.decode()
    assert client.get(f"{PAGE}people/{people['bob'].pk}/").status_code == 200
    assert client.get(f"{PAGE}people/{people['carol'].pk}/").status_code == 404
    User.objects.filter(pk=dora.pk).update(department="")
    assert "Bob Brandt" not in cast.sign_in(Client(), dora).get(PAGE).content.decode()
    for person in (people["alice"], people["nadia"], cast.edith()):
        assert cast.sign_in(Client(), person).get(PAGE).status_code == 403


def test_the_page_costs_few_statements_and_takes_any_condition(people: dict[str, User]) -> None:
    client = cast.sign_in(Client(), people["carol"])
    with CaptureQueriesContext(connection) as captured:
        page = client.get(f"{PAGE}?module=hipaa&status=due&page=9").content.decode()
    assert "Bob Brandt" in page
    assert sum("training_" in query["sql"] for query in captured) <= 8
    assert client.get(f"{PAGE}?page=-1&module=x&status=%00&q=%00&department=%F0").status_code == 200
