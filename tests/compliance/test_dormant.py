"""An account nobody used for 45 days closes itself; somebody else opens it again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from clinchat.lib import clock
from compliance import tasks
from compliance.access import Role, people
from compliance.models import AuditEvent, Notice, ServiceToken, TokenFamily, User
from tests import cast
from tests.factories import make_user

pytestmark = pytest.mark.django_db
LONG_AGO, RECENTLY = timedelta(days=45, minutes=5), timedelta(days=44, hours=23)


def used(user: User, *, login: timedelta | None = None, made: timedelta = timedelta(days=400), **fields: Any) -> User:
    """The account, last used so long ago."""
    now = clock.now()
    User.objects.filter(pk=user.pk).update(
        last_login=login and now - login, created_at=now - made, **{k: now - v for k, v in fields.items()}
    )
    return user


def is_open(user: User) -> bool:
    return User.objects.get(pk=user.pk).is_active


@pytest.mark.parametrize(
    ("times", "stays"),
    [
        ({"login": RECENTLY}, True),
        ({"login": LONG_AGO}, False),
        ({"login": None, "made": RECENTLY}, True),
        ({"login": None, "made": LONG_AGO}, False),
        ({"login": LONG_AGO, "reopened_at": RECENTLY}, True),
        ({"login": LONG_AGO, "reopened_at": LONG_AGO}, False),
    ],
)
def test_after_45_days_without_use(times: dict[str, timedelta], stays: bool) -> None:
    user = used(make_user(), **times)
    people.close_dormant()
    assert is_open(user) is stays
    assert User.objects.get(pk=user.pk).closed_because == ("" if stays else "dormant")


def test_tokens_count_as_use() -> None:
    now, sam = clock.now(), cast.sam()
    program, silent, caller = (used(make_user(is_service=True)) for _ in range(3))
    for number, (owner, at) in enumerate([(program, RECENTLY), (silent, LONG_AGO)]):
        ServiceToken.objects.create(
            user=owner,
            name="Dashboard",
            digest=f"{number}" * 64,
            prefix="cct_1234",
            scopes=["status.read"],
            made_by=sam,
            expires_at=now + timedelta(days=30),
            last_used_at=now - at,
        )
    TokenFamily.objects.create(
        user=caller, begun_with="a", newest="b", ends_at=now + timedelta(hours=1), seen_at=now - RECENTLY
    )
    people.close_dormant()
    assert [is_open(user) for user in (program, silent, caller)] == [True, False, True]


def test_the_schedule_closes_them_and_security_officers_hear_once() -> None:
    first, second = used(make_user()), used(make_user())
    sam = cast.sam()
    tasks.review_accounts()
    tasks.review_accounts()
    assert not is_open(first)
    assert not is_open(second)
    told = Notice.objects.get(user=sam)
    assert (told.title, told.url) == ("2 accounts closed", "/compliance/people/?status=dormant")
    closed = AuditEvent.objects.get(object_id=str(first.pk), action="U", changes__has_key="closed_because")
    assert closed.changes["closed_because"] == ["", "dormant"]


def test_sessions_end_with_it() -> None:
    bob = cast.bob()
    browser = cast.sign_in(Client(), bob)
    used(bob, login=LONG_AGO)
    people.close_dormant()
    assert browser.get("/settings/").status_code == 302


def test_administrators_are_no_exception_but_one_stays() -> None:
    older, newer = (used(make_user(roles=[Role.ADMIN]), login=LONG_AGO + timedelta(days=d)) for d in (9, 1))
    people.close_dormant()
    assert (is_open(older), is_open(newer)) == (False, True)
    assert not Notice.objects.filter(user=newer).exists(), "it is about security officers, and there are none"


def test_one_who_signs_in_at_that_moment_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    user = used(make_user(), login=LONG_AGO)
    locked = people.one_at_a_time

    def meanwhile() -> None:
        locked()
        User.objects.filter(pk=user.pk).update(last_login=clock.now())

    monkeypatch.setattr(people, "one_at_a_time", meanwhile)
    assert people.close_dormant() == []
    assert is_open(user)


def test_somebody_else_opens_it_again_for_another_45_days() -> None:
    sam, ada = cast.sam(), cast.ada()
    used(sam, login=LONG_AGO)
    people.close_dormant()
    answer = cast.sign_in(Client(), ada).post(f"/compliance/people/{sam.pk}/reopen/", follow=True)
    assert "The account is open again." in answer.content.decode()
    assert is_open(sam)
    people.close_dormant()
    assert is_open(sam)


@pytest.mark.parametrize("person", [cast.pat, cast.carol, cast.dora, cast.audra])
def test_who_does_not_manage_people_opens_nothing(person: Any) -> None:
    bob = used(cast.bob(), login=LONG_AGO)
    client = cast.sign_in(Client(), person())
    people.close_dormant()
    assert client.post(f"/compliance/people/{bob.pk}/reopen/").status_code == 403
    assert not is_open(bob)
