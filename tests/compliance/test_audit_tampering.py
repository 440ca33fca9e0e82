"""Whatever a database superuser does to the trail with the triggers off, verification finds it.

Each way of tampering is tried many times, at random places. What cannot be found is what nobody outside the database
has seen yet: an event that is altered, with its digest, or removed in the seconds before it is sealed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from typing import Any
from unittest import mock

import pytest
from django.db import transaction
from django.test import override_settings

from compliance.audit import signing
from compliance.audit.verify import verify
from compliance.models import AuditEvent, Seal
from tests.compliance import tampering, weakening
from tests.compliance.sealed_trail import build, checkpoint_file, clear, sql, triggers_off
from tests.compliance.tampering import Way

pytestmark = pytest.mark.django_db
WAYS = [*tampering.WAYS, *weakening.WAYS]
CASES = 30
"""Random cases of each way."""


@pytest.fixture(scope="module", autouse=True)
def _trail(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[None]:
    file = tmp_path_factory.mktemp("checkpoints") / "audit.jsonl"
    with django_db_blocker.unblock(), override_settings(AUDIT_CHECKPOINT_FILES=[str(file)]):
        clear()
        try:
            with triggers_off():
                build(random.Random(3))
            # Forty thousand signatures, nearly all of them the same forty: each different one is verified, once.
            with mock.patch.object(signing, "valid", cache(signing.valid)):
                yield
        finally:
            clear()


@pytest.fixture(autouse=True)
def _guarded(db: None) -> None:
    """Test databases are emptied by TRUNCATE, so the triggers against it are off in them."""
    for (table,) in sql("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'clinchat_no_truncate'"):
        sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER clinchat_no_truncate")


def kinds() -> set[str]:
    return {problem.kind for problem in verify().problems}


def tampered(way: Way, rng: random.Random) -> set[str]:
    """What verification finds after the tampering, of which then nothing stays."""
    checkpoints = checkpoint_file().read_bytes()
    try:
        with transaction.atomic():
            with triggers_off() if way.off else nullcontext():
                way.tamper(rng)
            found = kinds()
            transaction.set_rollback(True)
    finally:
        checkpoint_file().write_bytes(checkpoints)
    return found


def test_there_are_enough_ways_and_a_trail_to_try_them_on() -> None:
    assert len(WAYS) >= 14
    assert len(WAYS) * CASES >= 1000
    report = verify()
    assert (report.ok, report.seals, report.to_seal) == (True, 40, 40)
    assert report.events == report.sealed == AuditEvent.objects.count() > 350
    assert len(set(Seal.objects.values_list("month", flat=True))) >= 4


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.tamper.__name__)
def test_tampering_is_found(way: Way) -> None:
    for case in range(CASES):
        seed = f"{way.tamper.__name__} {case}"
        found = tampered(way, random.Random(seed))
        assert found & way.kinds, f"seed “{seed}”: found {sorted(found)}, expected one of {sorted(way.kinds)}"
        assert case % 5 or kinds() == set(), f"seed “{seed}”: the untouched trail does not verify"
