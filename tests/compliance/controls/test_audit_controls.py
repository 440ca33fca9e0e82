"""The checks of the audit trail: each passes on a sound one, and sees what breaks it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from clinchat.lib import clock
from compliance.audit import controls, signing
from compliance.models import AuditVerification, ControlResult
from tests.compliance import tampering
from tests.compliance.sealed_trail import build, checkpoint_file, clear, insert, sql, triggers_off
from tests.proving import look, proven

pytestmark = pytest.mark.django_db
State = ControlResult.State


@pytest.fixture(scope="module", autouse=True)
def _trail(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[None]:
    file = tmp_path_factory.mktemp("checkpoints") / "audit.jsonl"
    with django_db_blocker.unblock(), override_settings(AUDIT_CHECKPOINT_FILES=[str(file)]):
        clear()
        try:
            with triggers_off():
                build(random.Random(3))
            yield
        finally:
            clear()


@pytest.fixture(autouse=True)
def _guarded(db: None) -> None:
    for (table,) in sql("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'clinchat_no_truncate'"):
        sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER clinchat_no_truncate")


@contextmanager
def broken(statement: str, *values: Any) -> Iterator[None]:
    """What whoever rules the database does; taken back afterwards."""
    before = checkpoint_file().read_bytes()
    point = transaction.savepoint()
    try:
        with triggers_off():
            sql(statement, *values)
        yield
    finally:
        transaction.savepoint_rollback(point)
        checkpoint_file().write_bytes(before)


# ── It verifies ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_flipped_byte() -> None:
    found = proven(
        "audit.chain_verifies",
        broken(
            "UPDATE compliance_auditevent SET canonical = set_byte(canonical, 40, get_byte(canonical, 40) # 1) "
            "WHERE id = (SELECT event FROM compliance_sealedevent WHERE position = 7)"
        ),
    )
    assert any(one.startswith("digest: ") for one in found.failing), found.failing


def test_fault_an_event_deleted_by_a_superuser() -> None:
    with broken("DELETE FROM compliance_auditevent WHERE id = (SELECT event FROM compliance_sealedevent LIMIT 1)"):
        assert look("audit.chain_verifies").state == State.FAIL


def test_fault_a_sealer_that_stopped() -> None:
    with triggers_off():
        insert(random.Random(1), clock.now() - timedelta(seconds=12))
    found = look("audit.chain_verifies")
    seconds = [int(one[1]) for one in map(re.compile(r"unsealed for (\d+) s").search, found.failing) if one]
    assert (found.state, len(seconds)) == (State.FAIL, 1)
    assert 12 <= seconds[0] < 60


def test_a_long_trail_needs_a_full_verification_of_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "READ_WHOLE", 10)
    assert look("audit.chain_verifies").failing == ["full verification"]
    made = AuditVerification.objects.create(scope="full", ok=True, events=1, to_seal=40, seconds=1)
    assert look("audit.chain_verifies").state == State.PASS
    AuditVerification.objects.filter(pk=made.pk).update(ran_at=clock.now() - timedelta(hours=25))
    assert look("audit.chain_verifies").state == State.FAIL


def test_without_keys_or_seals_nothing_is_said(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.AUDIT_PUBLIC_KEYS_FILE = "/nowhere"
    assert look("audit.chain_verifies").state == look("audit.anchor").state == State.ERROR
    with broken("DELETE FROM compliance_seal"):
        assert look("audit.chain_verifies").state == look("audit.anchor").state == State.ERROR


# ── It is known outside ───────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def cut() -> Iterator[None]:
    before = checkpoint_file().read_bytes()
    point = transaction.savepoint()
    try:
        with triggers_off():
            tampering.cut(39)
        yield
    finally:
        transaction.savepoint_rollback(point)
        checkpoint_file().write_bytes(before)


def test_the_newest_batch_deleted() -> None:
    found = proven("audit.anchor", cut())
    assert "knows seal 40, the database ends at 39" in found.observed


def test_fault_a_checkpoint_file_that_is_gone(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINT_FILES = [*settings.AUDIT_CHECKPOINT_FILES, str(tmp_path / "gone.jsonl")]
    assert look("audit.anchor").failing == ["gone.jsonl"]


def test_fault_no_checkpoint_file_configured(settings: Any) -> None:
    settings.AUDIT_CHECKPOINT_FILES = []
    assert look("audit.anchor").failing == ["AUDIT_CHECKPOINT_FILES"]


def test_fault_a_checkpoint_somebody_else_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "valid", lambda **_: False)
    assert "not signed" in look("audit.anchor").observed


def test_fault_a_file_that_is_left_behind() -> None:
    lines = checkpoint_file().read_bytes().splitlines(keepends=True)
    checkpoint_file().write_bytes(b"".join(lines[:-3]))
    try:
        assert "the seals after 37 are not in it" in look("audit.anchor").observed
    finally:
        checkpoint_file().write_bytes(b"".join(lines))


def test_a_file_that_cannot_be_read_is_no_pass(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    settings.AUDIT_CHECKPOINT_FILES = [str(tmp_path / "folder")]
    assert look("audit.anchor").state == State.ERROR


# ── Who may change it ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def plain_role(_guarded: None) -> Iterator[None]:
    """As a deployment should be: the trail belongs to a role that does not sign in, and ClinChat uses another."""
    tables = [
        table
        for (table,) in sql(
            "SELECT relname FROM pg_class WHERE relname IN ('compliance_auditevent', 'compliance_seal', "
            "'compliance_sealedevent') OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = "
            "'compliance_auditevent'::regclass)"
        )
    ]
    sql("CREATE ROLE trail_owner NOLOGIN; CREATE ROLE portal LOGIN")
    sql("GRANT CREATE ON SCHEMA public TO trail_owner")
    sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO portal; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO portal")
    sql("REVOKE ALL ON compliance_auditkey FROM portal")
    for table in tables:
        sql(f"ALTER TABLE {table} OWNER TO trail_owner; REVOKE ALL ON {table} FROM portal")
        sql(f"GRANT SELECT, INSERT ON {table} TO portal")
    sql("SET LOCAL SESSION AUTHORIZATION portal")
    yield
    sql("RESET SESSION AUTHORIZATION")


@contextmanager
def as_superuser(statement: str) -> Iterator[None]:
    point = transaction.savepoint()
    sql("RESET SESSION AUTHORIZATION")
    sql(statement)
    sql("SET LOCAL SESSION AUTHORIZATION portal")
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)


def test_a_right_to_delete(plain_role: None) -> None:
    found = proven("audit.grants", as_superuser("GRANT DELETE ON compliance_seal TO portal"))
    assert "role portal: compliance_seal delete" in found.failing


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("GRANT UPDATE (digest) ON compliance_sealedevent TO PUBLIC", "grant: compliance_sealedevent"),
        ("ALTER TABLE compliance_seal DISABLE TRIGGER clinchat_no_change", "trigger: compliance_seal"),
        ("ALTER TABLE compliance_seal ENABLE TRIGGER clinchat_no_change", "trigger: compliance_seal"),
        ("ALTER TABLE compliance_seal OWNER TO portal", "role portal owns the trail"),
        ("ALTER ROLE portal SUPERUSER", "role portal is a superuser"),
    ],
)
def test_fault_rights_and_triggers(plain_role: None, statement: str, told: str) -> None:
    with as_superuser(statement):
        assert told in look("audit.grants").failing


def test_fault_a_group_that_may_delete_events(plain_role: None) -> None:
    from django.contrib.auth.models import Group, Permission

    group = Group.objects.create(name="Editors")
    group.permissions.add(Permission.objects.get(codename="delete_auditevent"))
    assert "Django permission delete_auditevent" in look("audit.grants").failing


def test_here_one_account_does_everything_and_that_is_said() -> None:
    assert look("audit.grants").state == State.FAIL


# ── Nothing switches it off ───────────────────────────────────────────────────────────────────────────────────


@contextmanager
def released(root: Path, text: str) -> Iterator[None]:
    """A module of the release, in a scratch build."""
    file = root / "chat" / "quiet.py"
    file.write_text(text)
    try:
        yield
    finally:
        file.unlink()


@pytest.fixture
def build_of(settings: Any, tmp_path: Path) -> Path:
    for name in controls.PRODUCT:
        (tmp_path / name).symlink_to(settings.BASE_DIR / name) if name != "chat" else (tmp_path / name).mkdir()
    settings.BASE_DIR = tmp_path
    return tmp_path


def test_a_call_of_disable_auditlog(build_of: Path) -> None:
    code = "from auditlog.context import disable_auditlog\nwith disable_auditlog():\n    pass\n"
    found = proven("audit.cannot_be_disabled", released(build_of, code))
    assert "chat/quiet.py:2 disable_auditlog" in found.failing


def test_fault_code_that_switches_recording_off(build_of: Path) -> None:
    code = (
        'cursor.execute("TRUNCATE compliance_auditevent")\n'
        'cursor.execute("ALTER TABLE compliance_user DISABLE TRIGGER ALL")\n'
        "cursor.execute(\"SET session_replication_role = 'replica'\")\n"
        'cursor.execute(f"drop trigger clinchat_audit on {table}")\n'
        'call_command("auditlogflush", "--yes")\n'
        'call_command("flush", interactive=False)\n'
    )
    with released(build_of, code):
        failing = look("audit.cannot_be_disabled").failing
    assert sorted(int(one.split(":")[1].split()[0]) for one in failing) == [1, 2, 3, 4, 5, 6], failing


def test_fault_a_table_named_by_a_variable_or_a_command_by_its_module(build_of: Path) -> None:
    code = 'cursor.execute(f"TRUNCATE {table}")\nmanagement.call_command("flush", interactive=False)\n'
    with released(build_of, code):
        failing = look("audit.cannot_be_disabled").failing
    assert sorted(failing) == ["chat/quiet.py:1 truncate", "chat/quiet.py:2 flush"]


def test_what_is_only_said_does_nothing(build_of: Path) -> None:
    with released(build_of, '"""Nobody may call disable_auditlog or TRUNCATE a table."""\n# DISABLE TRIGGER\n'):
        assert look("audit.cannot_be_disabled").state == State.PASS


def test_fault_a_setting_that_leaves_tables_out(settings: Any) -> None:
    settings.AUDITLOG_EXCLUDE_TRACKING_MODELS = ("compliance.User",)
    assert look("audit.cannot_be_disabled").failing == ["setting AUDITLOG_EXCLUDE_TRACKING_MODELS"]


def test_fault_requests_without_their_context(settings: Any) -> None:
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if not one.endswith("RequestContext")]
    assert look("audit.cannot_be_disabled").failing == ["middleware clinchat.middleware.RequestContext"]
