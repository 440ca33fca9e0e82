"""Keys and recovery codes of 0.2.0 go on working, and are nowhere in the database as they are (migration 0006)."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.db import connection
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from compliance.access import proof
from compliance.access.factors import Factor
from compliance.models import Authenticator
from tests.factories import make_user

pytestmark = pytest.mark.django_db

migration = import_module("compliance.migrations.0006_factors")
EDITOR = SimpleNamespace(connection=connection)
KEY = "0123456789abcdef0123456789abcdef01234567"
OLD_TABLE = """
CREATE TABLE otp_totp_totpdevice (
    id serial PRIMARY KEY, user_id uuid NOT NULL REFERENCES compliance_user (id) DEFERRABLE INITIALLY DEFERRED,
    name varchar(64) NOT NULL, confirmed boolean NOT NULL, key varchar(80) NOT NULL, step smallint NOT NULL,
    t0 bigint NOT NULL, digits smallint NOT NULL, tolerance smallint NOT NULL, drift smallint NOT NULL,
    last_t bigint NOT NULL, throttling_failure_timestamp timestamptz, throttling_failure_count integer NOT NULL,
    created_at timestamptz, last_used_at timestamptz)
"""


def insert(user_id: UUID, *, confirmed: bool = True, failures: int = 0, step: int = 30) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO otp_totp_totpdevice (user_id, name, confirmed, key, step, t0, digits, tolerance, drift, "
            "last_t, throttling_failure_count, created_at) VALUES (%s, 'phone', %s, %s, %s, 0, 6, 1, 0, 7, %s, now())",
            [user_id, confirmed, KEY, step, failures],
        )


@pytest.fixture(autouse=True)
def old_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute(OLD_TABLE)


def test_keys_are_moved_sealed_and_the_old_table_is_gone() -> None:
    person, other = make_user(), make_user()
    insert(person.pk)
    insert(other.pk, confirmed=False, failures=31)
    migration.move_keys(None, EDITOR)

    moved = Authenticator.objects.get(user=person)
    assert (moved.name, moved.confirmed, moved.last_t) == ("phone", True, 7)
    assert moved.created_at is not None
    unfinished = Authenticator.objects.get(user=other)
    assert (unfinished.confirmed, unfinished.throttling_failure_count) == (False, 11)
    assert proof.check_second(person, f"{totp(bytes.fromhex(KEY)):06d}", Factor.APP).device == moved
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('otp_totp_totpdevice'), encode(key, 'escape') FROM compliance_authenticator")
        for table, kept in cursor.fetchall():
            assert table is None
            assert KEY not in kept
            assert moved.key not in kept


def test_a_key_we_cannot_read_stops_everything() -> None:
    insert(make_user().pk, step=60)
    with pytest.raises(ValueError, match="another step"):
        migration.move_keys(None, EDITOR)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM otp_totp_totpdevice")
        assert cursor.fetchone() == (1,)


def test_recovery_codes_become_digests_and_work_once() -> None:
    person = make_user()
    device = StaticDevice.objects.create(user=person, name="Recovery codes")
    for code in ("abcd2efg", "zzzz7777"):
        StaticToken.objects.create(device=device, token=code)
    for _ in range(2):  # a second run changes nothing
        migration.hash_codes(None, EDITOR)
    assert not StaticToken.objects.filter(token__in=["abcd2efg", "zzzz7777"]).exists()
    assert proof.check_second(person, "abcd2efg", Factor.RECOVERY).device == device
    assert proof.check_second(person, "abcd2efg", Factor.RECOVERY).device is None


def test_a_new_database_has_nothing_to_move() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE otp_totp_totpdevice")
    migration.move_keys(None, EDITOR)
