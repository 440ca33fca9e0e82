"""The last question of a drill: the backup is restored beside its own copy, as a restore does it, after somebody was
shut out there, a code was used, a network blocked and an act recorded. All of that must still be so."""

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
from compliance.continuity.drill.questions import CannotAsk, Copy, clock_at, question, so_unless, step_time
from compliance.continuity.restore import databases, keeping, loading
from compliance.controls import canary
from compliance.models import AuditEvent, Authenticator, NetworkBlock, Seal, User
from compliance.models.factors import STEP_SECONDS

BESIDE: Final = "clinchat_beside"
NETWORK: Final = "198.51.100.0/24"
"""Nobody's (RFC 5737)."""


@dataclass(frozen=True)
class _Dump:
    """The dump as a file, for the functions of a restore."""

    path: Path
    as_of: datetime
    rows: dict[str, Any]

    def read(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while piece := file.read(2**20):
                yield piece


@dataclass(frozen=True)
class _Since:
    """What was done after the backup."""

    person: UUID
    device: UUID
    step: int
    event: UUID
    seals: int


@question("no_rewind", lasting=True)
def no_rewind(copy: Copy) -> tuple[bool, str]:
    if not copy.dump:
        raise CannotAsk("the dump is not at hand.")
    since = _done_after_the_backup()
    source = _Dump(Path(copy.dump), copy.before, dict(copy.manifest["rows"]))
    with _own_checkpoints(), _restored(source):
        wrong = _undone(since)
    return so_unless(wrong, "a person, a code, a network and the trail", "undone:")


def _done_after_the_backup() -> _Since:
    now = clock.now()
    with transaction.atomic():
        person = canary.account()
        device = canary.used_code(person)
        User.objects.filter(pk=person.pk).update(is_active=False, closed_because=User.Closed.LEFT, closed_at=now)
        NetworkBlock.objects.filter(network=NETWORK, ended_at=None).update(ended_at=now)
        NetworkBlock.objects.create(network=NETWORK, reason=canary.NAME, made_by=person)
    event = audit.record(code=audit.Code.SYS_RESTORE, action=audit.Crude.EXECUTE, detail={"drill": True})
    seal.seal_all(streams=False)
    return _Since(person.pk, device.uuid, device.last_t, event, Seal.objects.count())


@contextmanager
def _restored(source: _Dump) -> Iterator[None]:
    """The functions of a restore, in its order; inside, this process is in what came of it. Rights are left out: the
    roles of the live server do not exist here."""
    live = databases.live_name()
    with databases.connect(databases.CONTROL) as control:
        databases.drop(control, BESIDE)
        databases.create(control, BESIDE, like=live)
        try:
            with databases.connect(live) as was, databases.connect(BESIDE) as new:
                entries = [one for one in loading.contents(source) if one.kind != "ACL"]
                parts = loading.divided(entries, taken=keeping.taken(), kept_indexes=keeping.kept_indexes(was))
                loading.load(source, BESIDE, parts.first)
                keeping.make_room(was, new)
                keeping.copy(was, new)
                loading.load(source, BESIDE, parts.last)
                keeping.join_months(was, new)
            with databases.inside(BESIDE):
                yield
        finally:
            databases.drop(control, BESIDE)


@contextmanager
def _own_checkpoints() -> Iterator[None]:
    """What is sealed beside is none of the copy's own checkpoints."""
    ours = Path(settings.AUDIT_CHECKPOINT_FILES[0])
    beside = ours.with_name("beside.jsonl")
    if ours.exists():
        shutil.copyfile(ours, beside)
    with override_settings(AUDIT_CHECKPOINT_FILES=[str(beside)]):
        yield


def _undone(since: _Since) -> list[str]:
    """What of it is not so any more."""
    device = Authenticator.objects.filter(uuid=since.device).first()
    wrong = {
        "the person may sign in": User.objects.filter(pk=since.person, is_active=False).count() != 1,
        "the code counts again": device is None or _counts(device, since.step),
        "the network is open": not NetworkBlock.objects.filter(network=NETWORK, ended_at=None).exists(),
        "the act is forgotten": not AuditEvent.objects.filter(pk=since.event).exists(),
        "seals are forgotten": Seal.objects.count() < since.seals,
    }
    audit.record(code=audit.Code.SYS_RESTORE, action=audit.Crude.EXECUTE, detail={"drill": True})
    seal.seal_all(streams=False)
    report = verify.verify(scope=verify.Scope.FULL)
    wrong["the trail does not continue"] = not report.ok or Seal.objects.count() == since.seals
    return [what for what, so in wrong.items() if so]


def _counts(device: Authenticator, step: int) -> bool:
    with clock_at(step_time(step, STEP_SECONDS)), transaction.atomic():
        device.throttle_reset(commit=False)
        accepted = device.verify_token(f"{device.totp.token():06d}")
        transaction.set_rollback(True)
    return accepted
