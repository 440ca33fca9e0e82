"""A database that was lost comes back whole, and nobody is believed until they sign in anew."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction
from django_otp.plugins.otp_static.models import StaticToken

from chat.models import Conversation
from clinchat.lib import clock
from compliance import data_keys, phi, vault
from compliance.access import factors
from compliance.access.factors import Factor
from compliance.audit import seal, verify
from compliance.continuity import maintenance
from compliance.continuity.backup import key_copies, reading
from compliance.continuity.restore import databases, lost_database, recovery
from compliance.models import AuditVerification, Backup, OneTimeLink, Restore, Session, User
from tests import cast
from tests.compliance.continuity import portal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def live(template: None, transactional_db: None, tmp_path: Path) -> Iterator[None]:
    with portal.standing(tmp_path), portal.entered():
        yield


def lose() -> None:
    databases.close_connections()
    with databases.connect(databases.CONTROL_DATABASE) as control:
        databases.drop(control, portal.LIVE)


def test_everything_comes_back_and_everybody_signs_in_anew() -> None:
    bob, scope, erased = cast.bob(), uuid.uuid4(), uuid.uuid4()
    Session.objects.create(session_key="x", session_data="", expire_date=clock.now(), user=bob)
    code = cast.code_of(bob)
    assert factors.new_recovery_codes(bob)
    for one in (scope, erased):
        vault.store(one, [phi.Entity("PATIENT_1", phi.Label.NAME, "Wilhelmina Hartenstein", 0)])
    backup = portal.snapshot()
    Conversation.objects.create(author=cast.alice(), title="Since")
    data_keys.destroy([erased])
    key_copies.write()
    assert seal.seal_all(), "events that the backup does not have"
    lose()

    done = lost_database.restore_everything(lost_database.Request(backup.key, "The disk broke, call (617) 555-0182"))
    assert done.reason.startswith("The disk broke, call [")
    assert "555-0182" not in done.reason
    assert (done.state, done.backup_id, done.requested_by) == (Restore.State.DONE, backup.pk, None)
    assert [one.title for one in Conversation.objects.all()] == ["Before"]
    assert not Session.objects.exists()
    assert not OneTimeLink.objects.live().exists()
    assert not StaticToken.objects.exists()
    with transaction.atomic():
        assert factors.try_code(bob, code, Factor.APP).device is None, "perhaps it was used since"
    assert [one.value for one in vault.known(scope)] == ["Wilhelmina Hartenstein"]
    assert [one.value for one in vault.known(erased)] == [""], "erased after the backup was made"
    assert Backup.objects.get(pk=backup.pk).state == Backup.State.COMPLETE
    maintenance.forget()
    assert maintenance.on()

    seal.seal_all()
    report = verify.run(AuditVerification.Scope.FULL)
    assert report.ok, report.problems
    recovery.accept(restore_id=done.pk, actor=None)
    maintenance.forget()
    assert not maintenance.on()
    assert reading.verify(backup.key).name == "Monday"
    assert portal.snapshot("Tuesday").state == Backup.State.COMPLETE


def test_the_command_keeps_no_reason_that_nobody_could_check() -> None:
    backup = portal.snapshot()
    lose()
    call_command("backup", "restore", backup.key, "--everything", "--reason", "It broke under Mr. Delacroix.")
    assert "Delacroix" not in Restore.objects.get().reason
    assert User.objects.filter(pk=cast.bob().pk).exists()


def test_a_database_that_holds_people_is_replaced_only_by_name() -> None:
    backup = portal.snapshot()
    with pytest.raises(lost_database.DatabaseNotLost) as refused:
        lost_database.restore_everything(lost_database.Request(backup.key, "Test"))
    assert f"--replace-live {portal.LIVE}" in refused.value.words
    with pytest.raises(lost_database.DatabaseNotLost):
        lost_database.restore_everything(lost_database.Request(backup.key, "Test", replace="another"))
    User.objects.filter(pk=cast.bob().pk).update(department="Since")
    done = lost_database.restore_everything(lost_database.Request(backup.key, "Test", replace=portal.LIVE))
    assert User.objects.get(pk=cast.bob().pk).department != "Since"
    assert portal.there() == {portal.LIVE, f"{portal.LIVE}_before_{done.pk.hex[:8]}"}
