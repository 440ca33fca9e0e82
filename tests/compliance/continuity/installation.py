"""A small installation with something of everything a restore could lose."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from chat import releases
from chat.corpus import loaders
from chat.corpus.ingest import ingest
from chat.models import Collection
from clinchat.lib import clock
from compliance import phi, vault
from compliance.audit import seal
from compliance.models import Authenticator, LegalHold, NetworkBlock, OneTimeLink, TokenFamily, User
from compliance.models.factors import STEP_SECONDS
from tests import cast, remembering, trail

STARTER = Path(__file__).parents[3] / "chat/corpus/starter"
BLOCKED = "203.0.113.0/24"


@contextmanager
def furnished(folder: Path) -> Iterator[Path]:
    """Committed, and protected as a real one; emptied afterwards. Backups go to a folder of `folder`."""
    store = folder / "store"
    own = {"BACKUP_STORES": [str(store)], "AUDIT_CHECKPOINT_FILES": [str(folder / "checkpoints.jsonl")]}
    with override_settings(**own):
        _truncation_is_refused()
        try:
            furnish()
            yield store
        finally:
            trail.allow_truncate()
            call_command("flush", interactive=False, verbosity=0)


def furnish() -> None:
    carol, bob = cast.carol(), cast.bob()
    earlier = clock.now() - timedelta(hours=1)
    gone = cast.mallory()
    User.objects.filter(pk=gone.pk).update(is_active=False, closed_because=User.Closed.LEFT, closed_at=earlier)
    step = int(earlier.timestamp()) // STEP_SECONDS
    Authenticator.objects.filter(user=bob).update(last_t=step)
    NetworkBlock.objects.create(network=BLOCKED, reason="Test", made_by=carol, made_at=earlier)
    LegalHold.objects.create(kind="person", subject=str(bob.pk), reason="Test", placed_by=carol, placed_at=earlier)
    TokenFamily.objects.create(
        user=bob,
        begun_with="x",
        newest="x",
        created_at=earlier - timedelta(hours=1),
        ends_at=clock.now() + timedelta(hours=1),
        revoked_at=earlier,
        reason=TokenFamily.Ended.REVOKED,
    )
    OneTimeLink.objects.create(
        purpose="password",
        user=bob,
        made_by=carol,
        digest=b"x" * 32,
        made_at=earlier - timedelta(hours=1),
        expires_at=clock.now(),
        used_at=earlier,
    )
    vault.store(uuid.uuid4(), [phi.Entity("PATIENT_1", phi.Label.NAME, "Wilhelmina Hartenstein", 0)])
    collection = Collection.objects.create(slug="starter", name="Starter set", starter=True)
    ingest(sources=[*loaders.read(STARTER / "monographs/warfarin.md").sources], collection=collection)
    with remembering.vectors():
        releases.embed_waiting()
    seal.seal_all()


def _truncation_is_refused() -> None:
    """As in every database but that of the tests."""
    _each_truncation("ENABLE ALWAYS")


def _each_truncation(how: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'clinchat_no_truncate'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} {how} TRIGGER clinchat_no_truncate")


def one(rows: Any) -> Any:
    return rows[0][0]
