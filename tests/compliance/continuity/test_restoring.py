"""What a restore brings back, and what never goes backwards by it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test import Client

from chat import continuity, releases
from chat.models import (
    Collection,
    Conversation,
    Document,
    Feedback,
    IndexProof,
    InteractionAlert,
    InteractionCheck,
    Listing,
    Turn,
)
from clinchat.lib import clock
from compliance import audit, data_keys, phi, vault
from compliance.access import factors, networks, sessions
from compliance.access.factors import Factor
from compliance.audit import seal, verify
from compliance.continuity import programs
from compliance.continuity.backup import backups
from compliance.continuity.deletion import retention
from compliance.continuity.point_in_time import moment, shipping, shipping_record
from compliance.continuity.restore import carry_over, databases, loading, recovery, restoring
from compliance.models import (
    AuditEvent,
    AuditVerification,
    Backup,
    Clearance,
    Code,
    Crude,
    LegalHold,
    Restore,
    RoleAssignment,
    Session,
    TokenFamily,
    User,
    WalShipping,
)
from tests import cast
from tests.chat import shelf
from tests.compliance.continuity import portal
from tests.processes import until
from training import certificates
from training.models import Certificate

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def live(template: None, transactional_db: None, tmp_path: Path) -> Iterator[None]:
    with portal.standing(tmp_path), portal.entered():
        yield


def begun(backup: Backup, to_time: datetime | None = None) -> Restore:
    asked = recovery.request(backup_id=backup.pk, typed_name=backup.name, reason="Test", actor=None, to_time=to_time)
    restoring.run(asked.pk)
    asked.refresh_from_db()
    return asked


def restored(backup: Backup, to_time: datetime | None = None) -> Restore:
    done = begun(backup, to_time)
    assert done.state == Restore.State.DONE, done.failure
    return done


# ── One restore, and what has become of many things ────────────────────────────────────────────────────────────────

Story = Iterator[None]
"""Told until the backup is made, goes on until it is restored, and then says what must be so."""


def content_goes_back() -> Story:
    yield
    Conversation.objects.create(author=cast.alice(), title="Since")
    Collection.objects.filter(slug=portal.LIBRARY).update(name="Changed since")
    yield
    assert Conversation.objects.filter(title="Before").exists()
    assert not Conversation.objects.filter(title="Since").exists()
    assert Collection.objects.get(slug=portal.LIBRARY).name == "Library"


def nothing_that_was_taken_away_or_used_up_returns() -> Story:
    alice, bob, carol, mallory = cast.alice(), cast.bob(), cast.carol(), cast.mallory()
    browser = cast.sign_in(Client(), alice)
    family = TokenFamily.objects.create(user=bob, begun_with="x", newest="x", ends_at=clock.now() + timedelta(hours=1))
    recovery_code, *_ = factors.new_recovery_codes(bob)
    certificate = Certificate.objects.create(
        person=alice, title="All", version="1", token="x", expires_at=clock.now() + timedelta(days=1)
    )
    scope = uuid.uuid4()
    vault.store(scope, [phi.Entity("PATIENT_1", phi.Label.NAME, "Wilhelmina Hartenstein", 0)])
    before = AuditEvent.objects.count()
    yield

    sessions.end_all(alice, reason="test")
    TokenFamily.objects.update(revoked_at=clock.now(), reason=TokenFamily.Ended.REVOKED)
    app_code = cast.code_of(bob)
    with transaction.atomic():
        assert factors.try_code(bob, app_code, Factor.APP).device
        assert factors.try_code(bob, recovery_code.replace("-", ""), Factor.RECOVERY).device
    networks.block(network="203.0.113.0/24", reason="Test", by=carol, source="198.51.100.1")
    User.objects.filter(pk=mallory.pk).update(is_active=False, closed_because=User.Closed.LEFT, closed_at=clock.now())
    Clearance.objects.filter(user=bob).update(revoked_at=clock.now())
    otto = cast.otto()
    RoleAssignment.objects.filter(user=otto).delete()
    certificates.revoke(certificate=certificate, by=carol, reason="Test")
    LegalHold.objects.create(kind="person", subject=str(bob.pk), reason="Test", placed_by=carol)
    data_keys.destroy([scope])
    read = audit.record(code=Code.SENSITIVE_READ, action=Crude.READ, object_type="test", object_id="since")
    seal.seal_all()
    events = AuditEvent.objects.count()

    yield
    assert browser.get("/settings/").status_code == 302
    assert not Session.objects.filter(user=alice).exists()
    family.refresh_from_db()
    assert family.revoked_at
    with transaction.atomic():
        assert factors.try_code(bob, app_code, Factor.APP).device is None
        assert factors.try_code(bob, recovery_code.replace("-", ""), Factor.RECOVERY).device is None
    assert networks.blocked("203.0.113.9")
    assert not User.objects.get(pk=mallory.pk).is_active
    assert not Clearance.objects.live(clock.now()).filter(user=bob).exists()
    assert not RoleAssignment.objects.filter(user=otto).exists()
    assert Certificate.objects.filter(person=alice, revoked_at__isnull=False).exists()
    assert LegalHold.objects.filter(subject=str(bob.pk), ended_at=None).exists()
    assert [one.value for one in vault.known(scope)] == [""]
    assert AuditEvent.objects.filter(pk=read).exists()
    assert AuditEvent.objects.count() > events > before
    assert seal.seal_all()
    assert verify.run(AuditVerification.Scope.FULL).ok


def a_withdrawn_document_stays_withdrawn_and_readers_shut_out() -> Story:
    yield
    gone, narrowed = Document.objects.get(external_id="doc-1"), Document.objects.get(external_id="doc-2")
    releases.withdraw(documents=[gone], reason="Recalled", by=cast.dora())
    Document.objects.filter(pk=narrowed.pk).update(departments=["Cardiology"])
    shelf.load(Collection.objects.get(slug=portal.LIBRARY), shelf.source("Three times daily.", 3))
    yield
    assert not Document.objects.filter(external_id="doc-3").exists()
    assert [one.document_id for one in Listing.objects.filter(until=None)] == [narrowed.pk]
    assert Document.objects.get(pk=narrowed.pk).departments == ["Cardiology"]


def masked_words_stay_masked_and_purged_conversations_purged() -> Story:
    talk = Conversation.objects.create(author=cast.alice(), title="Ms Hartenstein")
    kept = Conversation.objects.create(author=cast.alice(), title="Purged")
    turn = Turn.objects.create(
        conversation=talk,
        number=1,
        submission=uuid.uuid4(),
        question="Ms Hartenstein",
        deadline_at=clock.now(),
        status=Turn.Status.ANSWERED,
    )
    Feedback.objects.create(turn=turn, helpful=True, comment="For Ms Hartenstein")
    yield
    Conversation.objects.filter(pk=talk.pk).update(title="[NAME-1]")
    Turn.objects.filter(pk=turn.pk).update(question="[NAME-1]", medicines=["warfarin"])
    Feedback.objects.filter(turn=turn).update(comment="For [NAME-1]")
    kept.delete()
    yield
    talk.refresh_from_db()
    turn.refresh_from_db()
    assert (talk.title, turn.question, turn.feedback.comment) == ("[NAME-1]", "[NAME-1]", "For [NAME-1]")
    assert turn.medicines == ["warfarin"]
    assert not Conversation.objects.filter(pk=kept.pk).exists()


def what_was_purged_without_a_conversation_stays_purged() -> Story:
    long_ago = clock.now() - timedelta(days=5000)
    old, young = (InteractionCheck.objects.create(where="page", table="1", at=at) for at in (long_ago, clock.now()))
    InteractionAlert.objects.create(check_made=old, a="warfarin", b="aspirin", severity="major")
    proof = IndexProof.objects.create(at=long_ago, ok=True, passages=1, sampled=1, recall=1.0, seconds=0.1)
    yield
    turned = retention.purge(dry_run=False, only=["interactions", "proofs"])
    assert [one.removed for one in turned] == [1, 1]
    since = InteractionCheck.objects.create(where="page", table="1")
    yield
    assert set(InteractionCheck.objects.values_list("pk", flat=True)) == {young.pk}, since.pk
    assert not IndexProof.objects.filter(pk=proof.pk).exists()
    gone = AuditEvent.objects.filter(object_type="chat.InteractionCheck", object_id=str(old.pk))
    assert gone.filter(code=Code.SENSITIVE_DELETE).count() == 2, "as it was purged, and as it was kept away"


def numbers_go_on_after_the_higher_and_months_are_those_of_the_live_trail() -> Story:
    yield
    with databases.connect(databases.live_name()) as live:
        live.execute("SELECT compliance_audit_add_month('2031-05-01')")
        live.execute("SELECT setval('chat_citation_id_seq', 4711)")
        live.execute("SELECT setval('compliance_vaultentry_id_seq', 815)")
    yield
    with databases.connect(databases.live_name()) as live:
        (last,) = live.execute("SELECT last_value FROM chat_citation_id_seq").fetchone() or (0,)
        (kept,) = live.execute("SELECT last_value FROM compliance_vaultentry_id_seq").fetchone() or (0,)
        guarded = live.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'compliance_auditevent_203105'::regclass "
            "AND tgenabled = 'A' ORDER BY tgname"
        ).fetchall()
    assert (last, kept) == (4711, 815)
    assert [name for (name,) in guarded] == ["clinchat_digest", "clinchat_no_change", "clinchat_no_truncate"]


def rights_and_settings_of_the_live_database_are_kept() -> Story:
    yield
    with databases.connect(databases.CONTROL_DATABASE) as control:
        control.execute(f"REVOKE TEMPORARY ON DATABASE {portal.LIVE} FROM PUBLIC")
        control.execute(f"ALTER DATABASE {portal.LIVE} SET lock_timeout = '7s'")
        control.execute(f"ALTER ROLE clinchat IN DATABASE {portal.LIVE} SET search_path = public, pg_temp")
    yield
    with databases.connect(portal.LIVE) as live:
        shown = [live.execute(f"SHOW {name}").fetchone() for name in ("lock_timeout", "search_path")]
        (may,) = live.execute("SELECT has_database_privilege('public', current_database(), 'TEMP')").fetchone() or (0,)
    assert shown == [("7s",), ("public, pg_temp",)]
    assert not may


STORIES = (
    content_goes_back,
    nothing_that_was_taken_away_or_used_up_returns,
    a_withdrawn_document_stays_withdrawn_and_readers_shut_out,
    masked_words_stay_masked_and_purged_conversations_purged,
    what_was_purged_without_a_conversation_stays_purged,
    numbers_go_on_after_the_higher_and_months_are_those_of_the_live_trail,
    rights_and_settings_of_the_live_database_are_kept,
)


def test_a_restore_tells_every_story_right_and_an_undo_brings_it_forth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "LATE", timedelta(0))  # as after minutes in which the sealer could not write
    stories = [story() for story in STORIES]
    for story in stories:
        next(story)
    backup = portal.snapshot()
    for story in stories:
        next(story)
    done = restored(backup)
    for story in stories:
        assert next(story, "the end") == "the end"
    assert portal.there() == {portal.LIVE, restoring.database_names(done.pk).previous}

    back = recovery.undo(restore_id=done.pk, actor=None, reason="Test")
    restoring.run(back.pk)
    back.refresh_from_db()
    assert back.state == Restore.State.ACCEPTED, back.failure
    assert Conversation.objects.filter(title__in=["Before", "Since"]).count() == 2
    assert Collection.objects.get(slug=portal.LIBRARY).name == "Changed since"
    recovery.settle()
    assert portal.there() == {portal.LIVE}
    assert AuditEvent.objects.filter(code=Code.SYS_RESTORE).count() == 2


# ── What is refused, or goes wrong ─────────────────────────────────────────────────────────────────────────────────


def test_only_named_tables_are_taken_back() -> None:
    taken = carry_over.restored_tables()
    ours = {model.__name__: model._meta.db_table for model in apps.get_app_config("chat").get_models()}
    assert {name for name, table in ours.items() if table not in taken} == set(continuity.STAYS)
    assert {table.split("_")[0] for table in taken} == {"chat", "django"}
    assert not {"chat_drugtable", "chat_localinteraction"} & taken
    with databases.connect(databases.live_name()) as live:
        carry_over.require_no_dangling_references(live)
        live.execute("ALTER TABLE compliance_notice ADD about uuid REFERENCES chat_document (id)")
        with pytest.raises(carry_over.DanglingReferences) as torn:
            carry_over.require_no_dangling_references(live)
    assert "compliance_notice" in torn.value.words


def test_a_backup_of_another_form_is_refused_by_the_names_of_its_tables() -> None:
    backup = portal.snapshot()
    with databases.connect(databases.live_name()) as live:
        live.execute("ALTER TABLE compliance_notice ADD since boolean")
    failed = begun(backup)
    assert failed.state == Restore.State.FAILED
    assert failed.failure.startswith("This backup is of another version of ClinChat")
    assert "(compliance_notice)" in failed.failure
    assert portal.there() == {portal.LIVE}


LOST = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_restore'"


def test_a_connection_that_is_lost_while_it_loads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    backup = portal.snapshot()
    load = loading.load

    def cut(source: Any, database: str, entries: Any) -> None:
        class Cut:
            def read(self) -> Iterator[bytes]:
                pieces = (piece[at : at + 4096] for piece in source.read() for at in range(0, len(piece), 4096))
                for piece in pieces:
                    yield piece
                    with databases.connect(database) as there:
                        if there.execute(LOST).rowcount:
                            break
                yield from pieces

        load(Cut(), database, entries)

    monkeypatch.setattr(loading, "load", cut)
    Conversation.objects.create(author=cast.alice(), title="Since")
    failed = begun(backup)
    assert (failed.state, failed.step) == (Restore.State.FAILED, "load")
    assert failed.failure == "pg_restore failed: the server ended the connection."
    assert Conversation.objects.filter(title="Since").exists()
    assert portal.there() == {portal.LIVE}


def test_an_owner_who_is_no_superuser_restores(settings: Any) -> None:
    """As deploy/postgres-init.sql sets it up: extensions that only a superuser may add are in a template."""
    beside = f"{portal.LIVE}_template"
    with databases.connect(databases.CONTROL_DATABASE) as control:
        control.execute("DROP ROLE IF EXISTS owner_of_it")
        control.execute("CREATE ROLE owner_of_it LOGIN CREATEDB")
        control.execute("GRANT pg_signal_backend TO owner_of_it")
        control.execute(f"CREATE DATABASE {beside} OWNER owner_of_it")
        with databases.connect(beside) as template:
            template.execute("CREATE EXTENSION vector")
            template.execute("GRANT EXECUTE ON FUNCTION vector_dims(vector) TO owner_of_it")
    portal.hand_over(to="owner_of_it")
    host = programs.owner_conninfo()["host"]
    settings.OWNER_DATABASE_URL = f"postgresql:///{portal.LIVE}?host={host}&user=owner_of_it"
    done = restored(portal.snapshot())
    recovery.accept(restore_id=done.pk, actor=None)
    assert recovery.settle() == 1
    assert portal.there() == {portal.LIVE, beside}


@pytest.mark.usefixtures("in_memory")
def test_content_goes_back_to_a_moment_between_backups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping_record, "SECONDS", 0.5)  # its row is all that is written here
    stop = threading.Event()
    shipper = threading.Thread(target=shipping.run, kwargs={"stop": stop, "seconds": 0.2})
    shipper.start()
    try:
        copy = backups.create(type=Backup.Type.MANUAL, name="Copy", kind=Backup.Kind.BASE)
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")  # as in use: what is committed is in the log
        Conversation.objects.create(author=cast.alice(), title="Wanted")
        wanted = clock.now()
        Conversation.objects.create(author=cast.alice(), title="Later")
        later = clock.now()
        until(lambda: WalShipping.objects.filter(as_of__gt=later).exists(), "the portal was not told")
        until(lambda: (moment.recovery_window() or [later])[-1] > later, "the log was not shipped")
        done = restored(copy, wanted)
    finally:
        stop.set()
        shipper.join()
        with databases.connect(databases.CONTROL_DATABASE) as control:
            control.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    assert {one.title for one in Conversation.objects.all()} == {"Before", "Wanted"}
    assert done.report["as_of"] == wanted.isoformat()
