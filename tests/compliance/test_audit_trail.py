"""The audit trail: one writer, append-only, in the transaction of what it speaks of."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from compliance import audit
from compliance.models import AuditEvent, Code, Crude, Outcome, User
from tests import cast, trail
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def one_event() -> AuditEvent:
    return trail.event(audit.record(code=Code.SYS_STARTUP, action=Crude.EXECUTE))


def refused(sql: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    except IntegrityError:
        return True
    return False


def test_no_event_is_changed_or_removed() -> None:
    event = one_event()
    event.outcome = Outcome.FAILURE
    with pytest.raises(IntegrityError), transaction.atomic():
        event.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        event.delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEvent.objects.update(outcome=Outcome.FAILURE)
    assert AuditEvent.objects.get(pk=event.pk).outcome == Outcome.SUCCESS


def test_sql_cannot_change_remove_or_empty_either() -> None:
    one_event()
    assert refused("UPDATE compliance_auditevent SET actor_name = 'nobody'")
    assert refused("DELETE FROM compliance_auditevent")
    assert refused("DELETE FROM compliance_auditevent WHERE false"), "even a statement that meets no row"
    with connection.cursor() as cursor:  # test databases are emptied by TRUNCATE, so the trigger may be off in them
        cursor.execute("ALTER TABLE compliance_auditevent ENABLE ALWAYS TRIGGER clinchat_no_truncate")
    assert refused("TRUNCATE compliance_auditevent")


def test_the_replica_role_does_not_get_around_it() -> None:
    one_event()
    assert refused("SET LOCAL session_replication_role = replica; DELETE FROM compliance_auditevent")


def test_people_are_never_deleted() -> None:
    user = make_user()
    with pytest.raises(IntegrityError), transaction.atomic():
        user.delete()
    assert User.objects.filter(pk=user.pk).exists()


def test_event_shares_the_fate_of_the_act() -> None:
    class Stop(Exception):
        pass

    def act() -> None:
        with transaction.atomic():
            one_event()
            raise Stop

    with pytest.raises(Stop):
        act()
    assert not AuditEvent.objects.exists()


def test_act_is_undone_when_its_event_cannot_be_written() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON compliance_auditevent EXECUTE FUNCTION compliance_refuse()"
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        make_user(email="ghost@hospital.test")
    assert not User.objects.filter(email="ghost@hospital.test").exists()


def test_denial_of_a_request_survives_it(client: Client) -> None:
    cast.sign_in(client, cast.bob())
    assert client.get("/admin/").status_code == 403
    event = AuditEvent.objects.get(code=Code.AUTHZ_FAIL)
    assert (event.outcome, event.actor_id) == (Outcome.DENIED, cast.bob().pk)


def test_event_keeps_what_was_true_when_it_was_written() -> None:
    alice = cast.alice()
    event = trail.event(audit.record(code=Code.SENSITIVE_READ, action=Crude.READ, actor=alice))
    alice.name = "Alice Renamed"
    alice.save(update_fields=["name"])
    event.refresh_from_db()
    assert (event.actor_name, event.actor_roles) == ("Alice Adeyemi", ["clinician"])


@pytest.mark.parametrize(("column", "value"), [("action", "X"), ("outcome", "maybe")])
def test_database_knows_the_values(column: str, value: str) -> None:
    event = AuditEvent(code=Code.SYS_STARTUP, action=Crude.EXECUTE, outcome=Outcome.SUCCESS)
    setattr(event, column, value)
    with pytest.raises(IntegrityError), transaction.atomic():
        event.save()
