"""The assertion `no_rewind`: a restore undoes nothing that was done after the backup.

In the restored copy an account is closed, a one-time code used, a network blocked and an event recorded. Then the same
backup is restored beside it, with the functions of a real restore, and all of that must still be so.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.test.utils import override_settings

from clinchat.lib import clock
from compliance import audit
from compliance.audit import seal, verify
from compliance.continuity.drill.assertions import (
    CannotEvaluate,
    RestoredCopy,
    assertion,
    clock_at,
    passed_unless,
    step_time,
)
from compliance.continuity.restore import carry_over, databases, loading
from compliance.controls import canary
from compliance.models import AuditEvent, Authenticator, NetworkBlock, Seal, User
from compliance.models.factors import STEP_SECONDS

SECOND_DATABASE: Final = "clinchat_beside"
NETWORK: Final = "198.51.100.0/24"
"""Reserved for documentation (RFC 5737, TEST-NET-2)."""


@dataclass(frozen=True)
class _Dump:
    """The dump file, as a sources.Source."""

    path: Path
    as_of: datetime
    rows: dict[str, Any]

    def read(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while piece := file.read(2**20):
                yield piece


@dataclass(frozen=True)
class _Changes:
    """What was changed in the copy after the backup."""

    person: UUID
    device: UUID
    step: int
    event: UUID
    seals: int


@assertion("no_rewind", commits=True)
def no_rewind(copy: RestoredCopy) -> tuple[bool, str]:
    if not copy.dump:
        raise CannotEvaluate("the dump is not at hand.")
    changes = _make_changes()
    source = _Dump(Path(copy.dump), copy.as_of, dict(copy.manifest["rows"]))
    with _own_checkpoints(), _restored(source):
        wrong = _undone(changes)
    return passed_unless(wrong, "a person, a code, a network and the trail", "undone:")


def _make_changes() -> _Changes:
    now = clock.now()
    with transaction.atomic():
        person = canary.account()
        device = canary.used_code(person)
        User.objects.filter(pk=person.pk).update(is_active=False, closed_because=User.Closed.LEFT, closed_at=now)
        NetworkBlock.objects.filter(network=NETWORK, ended_at=None).update(ended_at=now)
        NetworkBlock.objects.create(network=NETWORK, reason=canary.NAME, made_by=person)
    event = audit.record(code=audit.Code.SYS_RESTORE, action=audit.Crude.EXECUTE, detail={"drill": True})
    seal.seal_all(streams=False)
    return _Changes(person.pk, device.uuid, device.last_t, event, Seal.objects.count())


@contextmanager
def _restored(source: _Dump) -> Iterator[None]:
    """Restore the dump into a second database, with the functions and in the order of restoring. Inside, that one is
    Django's default database. Without grants: the live server's roles do not exist here."""
    live = databases.live_name()
    with databases.connect(databases.CONTROL_DATABASE) as control:
        databases.drop(control, SECOND_DATABASE)
        databases.create(control, SECOND_DATABASE, like=live)
        try:
            with databases.connect(live) as current, databases.connect(SECOND_DATABASE) as new:
                entries = [one for one in loading.table_of_contents(source) if one.kind != "ACL"]
                parts = loading.split(
                    entries, restored_tables=carry_over.restored_tables(), kept_indexes=carry_over.kept_indexes(current)
                )
                loading.load(source, SECOND_DATABASE, parts.before_copy)
                carry_over.prepare_partitions(current, new)
                carry_over.copy_live_rows(current, new)
                loading.load(source, SECOND_DATABASE, parts.after_copy)
                carry_over.attach_partitions(current, new)
            with databases.as_default(SECOND_DATABASE):
                yield
        finally:
            databases.drop(control, SECOND_DATABASE)


@contextmanager
def _own_checkpoints() -> Iterator[None]:
    """Inside, checkpoints are written to a copy of the file, so that those of the two databases do not mix."""
    ours = Path(settings.AUDIT_CHECKPOINT_FILES[0])
    beside = ours.with_name("beside.jsonl")
    if ours.exists():
        shutil.copyfile(ours, beside)
    with override_settings(AUDIT_CHECKPOINT_FILES=[str(beside)]):
        yield


def _undone(changes: _Changes) -> list[str]:
    """The changes that the restore has undone, in words."""
    device = Authenticator.objects.filter(uuid=changes.device).first()
    wrong = {
        "the person may sign in": User.objects.filter(pk=changes.person, is_active=False).count() != 1,
        "the code counts again": device is None or _code_accepted(device, changes.step),
        "the network is open": not NetworkBlock.objects.filter(network=NETWORK, ended_at=None).exists(),
        "the act is forgotten": not AuditEvent.objects.filter(pk=changes.event).exists(),
        "seals are forgotten": Seal.objects.count() < changes.seals,
    }
    audit.record(code=audit.Code.SYS_RESTORE, action=audit.Crude.EXECUTE, detail={"drill": True})
    seal.seal_all(streams=False)
    report = verify.verify(scope=verify.Scope.FULL)
    wrong["the trail does not continue"] = not report.ok or Seal.objects.count() == changes.seals
    return [what for what, so in wrong.items() if so]


def _code_accepted(device: Authenticator, step: int) -> bool:
    with clock_at(step_time(step, STEP_SECONDS)), transaction.atomic():
        device.throttle_reset(commit=False)
        accepted = device.verify_token(f"{device.totp.token():06d}")
        transaction.set_rollback(True)
    return accepted
