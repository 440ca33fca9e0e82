"""The policy table, in pairs: somebody who may and somebody who may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied

from clinchat.lib import clock
from compliance import audit
from compliance.access import POLICY, Action, Locked, Role, UnknownAction, allows, require
from compliance.access.roles import NEEDS_CLEARANCE
from compliance.models import AuditEvent, Code, Outcome, User
from tests import cast
from tests.factories import make_clearance, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("action", "may", "may_not"),
    [
        pytest.param(Action.ASK, cast.alice, cast.otto, id="ask-clinician-operator"),
        pytest.param(Action.ASK, cast.dora, cast.nadia, id="ask-head-untrained"),
        pytest.param(Action.ASK, cast.bob, cast.ada, id="ask-clinician-administrator"),
        pytest.param(Action.READ_LIBRARY, cast.nadia, cast.mallory, id="library"),
        pytest.param(Action.OWN_SETTINGS, cast.otto, cast.mallory, id="settings"),
        pytest.param(Action.ADMINISTER, cast.ada, cast.alice, id="admin-clinician"),
        pytest.param(Action.ADMINISTER, cast.ada, cast.sam, id="admin-security"),
        pytest.param(Action.READ_AUDIT, cast.audra, cast.alice, id="audit-auditor"),
        pytest.param(Action.READ_AUDIT, cast.pat, cast.otto, id="audit-privacy"),
        pytest.param(Action.READ_STATUS, cast.otto, cast.bob, id="status"),
    ],
)
def test_action_is_open_to_one_and_closed_to_the_other(
    action: Action, may: Callable[[], User], may_not: Callable[[], User]
) -> None:
    assert allows(cast.verified(may()), action)
    assert not allows(cast.verified(may_not()), action)


def test_only_a_knowledge_editor_edits_the_library() -> None:
    editor = make_user(roles=[Role.KNOWLEDGE_EDITOR])
    editor.otp_device = cast.device_of(cast.alice())  # any device: allows() asks only that there is one
    assert allows(editor, Action.EDIT_LIBRARY)
    assert not allows(cast.verified(cast.alice()), Action.EDIT_LIBRARY)


def test_every_action_is_decided_and_every_role_may_do_something() -> None:
    assert set(POLICY) == set(Action)
    assert all(POLICY.values()), "an action nobody may do is a mistake"
    assert set().union(*POLICY.values()) == set(Role)
    assert set(Action) > NEEDS_CLEARANCE


def test_unknown_action_raises_for_everyone() -> None:
    for user in (AnonymousUser(), cast.verified(cast.ada())):
        with pytest.raises(UnknownAction):
            allows(user, "library.burn")  # type: ignore[arg-type]


@pytest.mark.parametrize("action", list(Action))
def test_nothing_is_open_without_second_factor_or_account(action: Action) -> None:
    for person in (cast.alice(), cast.ada(), cast.otto()):
        assert not allows(person, action), f"{action} is open to {person} without a second factor"
    assert not allows(AnonymousUser(), action)


def test_deactivated_person_may_do_nothing() -> None:
    alice = cast.verified(cast.alice())
    alice.is_active = False
    assert not any(allows(alice, action) for action in Action)


@pytest.mark.parametrize(
    ("fields", "live"),
    [
        pytest.param({}, True, id="in date"),
        pytest.param({"expires_at": timedelta(seconds=-1)}, False, id="expired"),
        pytest.param({"revoked_at": timedelta(seconds=-1)}, False, id="revoked"),
        pytest.param({"granted_at": timedelta(hours=1)}, False, id="not begun"),
    ],
)
def test_asking_needs_a_clearance_that_is_live(fields: dict[str, timedelta], live: bool) -> None:
    nadia = cast.verified(cast.nadia())
    now = clock.now()
    make_clearance(user=nadia, **{name: now + offset for name, offset in fields.items()})
    assert allows(nadia, Action.ASK) is live


def test_require_lets_pass_or_puts_the_denial_on_record() -> None:
    require(cast.verified(cast.ada()), Action.ADMINISTER)
    assert not AuditEvent.objects.filter(code=Code.AUTHZ_FAIL).exists()

    bob = cast.verified(cast.bob())
    with audit.bind(actor=bob), pytest.raises(PermissionDenied):
        require(bob, Action.ADMINISTER, cast.alice())

    event = AuditEvent.objects.get(code=Code.AUTHZ_FAIL)
    assert (event.outcome, event.actor_id, event.detail) == (Outcome.DENIED, bob.pk, {"action": "admin.use"})
    assert (event.object_type, event.object_id) == ("compliance.User", str(cast.alice().pk))


def missing_for(user: User) -> tuple[str, ...]:
    with pytest.raises(Locked) as locked:
        require(cast.verified(user), Action.ASK)
    return locked.value.missing


def test_locked_person_is_told_what_is_missing_in_the_order_it_is_done() -> None:
    missing = missing_for(cast.nadia())
    assert [words.startswith("Pass the module") for words in missing] == [True] * 6 + [False]
    assert missing[-1] == "Send in your request for access"
    assert missing_for(cast.mallory())[0] == "Ask an administrator for the clinician role"


def test_what_is_over_opens_nothing() -> None:
    nadia, now = cast.nadia(), clock.now()
    make_clearance(user=nadia, granted_at=now - timedelta(days=9), expires_at=now - timedelta(days=2))
    make_clearance(user=nadia, granted_at=now - timedelta(days=5), revoked_at=now - timedelta(days=2))
    assert missing_for(nadia)
