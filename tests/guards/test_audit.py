"""One place writes the audit trail, nothing switches it off, and every table is on record or says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, transaction

from compliance import audit
from compliance.audit import guards
from compliance.models import AuditEvent, Code, Crude

ROOT = Path(__file__).parents[2]
PRODUCT = ("clinchat", "chat", "training", "compliance")
WRITES = re.compile(
    r"AuditEvent\(|AuditEvent\.objects\.(?:create|bulk_create|get_or_create|update_or_create)"
    r"|(?:INTO|UPDATE|DELETE FROM|TRUNCATE|TABLE) +\"?compliance_(?:auditevent|seal|sealedevent)\b"
    r"|\bSealedEvent\(|\bSeal\(|Seal\.objects\.create"
)
SWITCHES_OFF = re.compile(
    r"disable_auditlog|auditlog\.unregister|session_replication_role|DISABLE\s+TRIGGER|DROP\s+TRIGGER"
    r"|execute_wrappers\.(?:remove|clear)|carry_context\s*=",
    re.IGNORECASE,
)
TAKES_OFF = {
    "compliance/audit/controls.py": "looks for whoever does",
    "compliance/audit/triggers.py": "takes the triggers off tables that are no longer watched, when migrating",
}
NOT_ON_RECORD = {
    "chat.Citation": "part of the answer whose digest is recorded with the turn",
    "chat.Chunk": "cut from a version that is on record",
    "chat.Term": "word index, made from the passages",
    "chat.Posting": "word index, made from the passages",
    "chat.Word": "word index, made from the passages",
    "chat.Vector": "made from the passages by the embedding model",
    "chat.ReleaseChange": "what a release did is on record with each version's status",
    "chat.Listing": "made by releases, which are on record",
    "chat.Evaluation": "measured figures; they can be measured again",
    "chat.IndexProof": "says only what a check found; it can be made again",
    "training.ApprovalReminder": "says only that somebody was told; what they were told of is on record",
    "training.CertificateReminder": "says only that somebody was told; what they were told of is on record",
    "training.Statement": "a copy, for a learning record store, of what is on record",
    "compliance.AuditEvent": "the trail itself: append-only and sealed",
    "compliance.Seal": "append-only, signed and anchored outside",
    "compliance.SealedEvent": "append-only, under the root of its seal",
    "compliance.KnownPlace": "made from sign-ins, which are events of their own",
    "compliance.AccessEpoch": "a counter; what it counts is on record",
    "compliance.Notice": "words we sent to one person; what they speak of is on record",
    "compliance.Session": "changes with every request; its beginning and end are events of their own",
    "compliance.ControlStatus": "worked out from results, attestations and exceptions, which are on record",
    "compliance.WalShipping": "says every second how far the log was shipped; the store itself can be asked",
    "compliance.AuditVerification": "says only when the trail was read; it can be read again",
}


def product() -> list[tuple[str, str]]:
    files = [path for folder in PRODUCT for path in sorted((ROOT / folder).rglob("*.py"))]
    found = [(str(p.relative_to(ROOT)), p.read_text()) for p in files if "migrations" not in p.parts]
    assert len(found) > 80, "the guard scans nothing"
    return found


def test_only_the_audit_package_writes_the_trail() -> None:
    writers = {place for place, text in product() if WRITES.search(text)}
    assert "compliance/audit/writer.py" in writers, "the pattern finds nothing"
    assert {place for place in writers if not place.startswith("compliance/audit/")} == {
        "compliance/models/events.py",  # class AuditEvent(AbstractLogEntry)
        "compliance/models/seals.py",
    }


def test_nothing_switches_auditing_off() -> None:
    found = {place for place, text in product() if SWITCHES_OFF.search(text)}
    assert found == set(TAKES_OFF)


def test_every_table_is_on_record_or_says_why_not() -> None:
    models = {
        m._meta.label for app in ("compliance", "chat", "training") for m in apps.get_app_config(app).get_models()
    }
    watched = {model._meta.label for model in audit.watched()}
    assert len(watched) > 10
    assert models - watched - set(NOT_ON_RECORD) == set(), "name it in watched.py, or here with a reason"
    assert set(NOT_ON_RECORD) <= models, "a stale exception"
    assert not watched & set(NOT_ON_RECORD)


def test_no_thread_leaves_its_context_behind() -> None:
    """A thread begins without the context of whoever starts it: run it in contextvars.copy_context().

    Those of chat.llm.network run a model's arithmetic and nothing else.
    """
    found = [
        place
        for place, text in product()
        if re.search(r"\bThread\((?!target=copy_context\(\)\.run,)|ThreadPoolExecutor\(", text)
    ]
    assert found == ["chat/llm/network.py"]


@pytest.mark.django_db
def test_nothing_is_weak_after_migrating() -> None:
    from django.db import connection

    with connection.cursor() as cursor:  # switched off in test databases, which are emptied
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'clinchat_no_truncate'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER clinchat_no_truncate")
    assert list(guards.weaknesses()) == []


@pytest.mark.django_db
def test_django_auditlogs_own_flush_is_refused() -> None:
    audit.record(code=Code.SYS_STARTUP, action=Crude.EXECUTE)
    with pytest.raises(IntegrityError), transaction.atomic():
        call_command("auditlogflush", yes=True)
    assert AuditEvent.objects.count() == 1
