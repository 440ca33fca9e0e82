"""What the portal is told of the log's shipping, and the copies that are asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import call_command

from clinchat.lib import clock
from compliance.continuity.point_in_time.shipping_record import ShippingStatus, request_base_backup, update_row
from compliance.continuity.point_in_time.wal import ShippedWal
from compliance.models import Backup, WalShipping

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def shipped() -> ShippedWal:
    return ShippedWal(
        system="7711037441760213610",
        timeline=1,
        segment_bytes=2**24,
        first=2**24,
        since=clock.now() - 2 * HOUR,
        position=0x1_0300_0028,
        as_of=clock.now(),
    )


def copies() -> int:
    return Backup.objects.filter(kind=Backup.Kind.BASE).count()


def test_the_row_is_true() -> None:
    update_row(ShippingStatus(shipped(), 5, ""))
    row = WalShipping.objects.get()
    assert (row.position, row.segment, row.bytes, row.failure) == ("1/03000028", "000000010000000100000003", 5, "")
    update_row(ShippingStatus(None, 5, "The database does not answer."))
    row.refresh_from_db()
    assert (row.position, row.failure) == ("1/03000028", "The database does not answer.")


def test_a_copy_is_asked_for_once_a_day_and_when_the_log_begins_anew() -> None:
    log = shipped()
    request_base_backup(log)
    request_base_backup(log)  # it waits
    assert copies() == 1
    now = clock.now()
    done = {"state": "complete", "manifest_sha256": "0" * 64, "finished_at": now}
    Backup.objects.update(**done, requested_at=now - HOUR, as_of=now - HOUR)
    request_base_backup(log)  # it is there
    assert copies() == 1
    request_base_backup(replace(log, since=now - timedelta(minutes=1)))  # it does not join the log any more
    assert copies() == 2
    Backup.objects.update(**done, requested_at=now - timedelta(days=2), as_of=now - timedelta(days=2))
    request_base_backup(replace(log, since=now - timedelta(days=3)))  # a day has gone by
    assert copies() == 3


def test_a_copy_that_failed_is_asked_for_again_after_an_hour() -> None:
    request_base_backup(shipped())
    Backup.objects.update(state="failed")
    request_base_backup(shipped())
    assert copies() == 1
    Backup.objects.update(requested_at=clock.now() - HOUR - timedelta(seconds=1))
    request_base_backup(shipped())
    assert copies() == 2


def test_whoever_asks_whether_the_log_is_shipped_is_told() -> None:
    with pytest.raises(SystemExit) as silent:
        call_command("backup", "wal", "--healthy")
    assert silent.value.code == 1
    update_row(ShippingStatus(shipped(), 5, ""))
    call_command("backup", "wal", "--healthy")
    WalShipping.objects.update(updated_at=clock.now() - timedelta(minutes=2))
    with pytest.raises(SystemExit):
        call_command("backup", "wal", "--healthy")
