"""Keys of authenticator apps move into a table where they are sealed; recovery codes become keyed digests.

The table of django-otp's own plugin, which held the keys as they are, is dropped, and that of the codes written anew:
what was updated would stay in its file. Backups and the write-ahead log from before still hold both.
"""

from __future__ import annotations

import uuid
from base64 import b32encode
from typing import Any

from django.db import migrations

from clinchat.lib import sealed

OLD = "otp_totp_totpdevice"


def move_keys(apps: Any, schema_editor: Any) -> None:
    """Seal each key for its new row, as compliance.Authenticator.key is bound; then drop the old table."""
    connection = schema_editor.connection
    if OLD not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT user_id, name, confirmed, key, last_t, created_at, last_used_at, throttling_failure_timestamp, "
            "least(throttling_failure_count, 11), step, digits FROM otp_totp_totpdevice ORDER BY id"
        )
        for *row, step, digits in cursor.fetchall():
            if (step, digits) != (30, 6):
                raise ValueError("An authenticator has another step or length than ClinChat ever made.")
            name = uuid.uuid4()
            row[3] = sealed.seal(b32encode(bytes.fromhex(row[3])), aad=f"compliance_authenticator.key:{name}".encode())
            row[1] = row[1] or "Authenticator app"
            cursor.execute(
                "INSERT INTO compliance_authenticator (uuid, user_id, name, confirmed, key, last_t, created_at, "
                "last_used_at, throttling_failure_timestamp, throttling_failure_count) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [name, *row],
            )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with events pending is not dropped
        cursor.execute("DROP TABLE otp_totp_totpdevice")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'otp_totp'")


def hash_codes(apps: Any, schema_editor: Any) -> None:
    """As compliance.access.factors keeps them: 16 digits of a keyed digest, per person."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT code.id, device.user_id, code.token FROM otp_static_statictoken AS code "
            "JOIN otp_static_staticdevice AS device ON device.id = code.device_id WHERE length(code.token) = 8"
        )
        for pk, user_id, code in cursor.fetchall():
            digest = sealed.blind_index(code, context=f"recovery:{user_id}").hex()[:16]
            cursor.execute("UPDATE otp_static_statictoken SET token = %s WHERE id = %s", [digest, pk])


class Migration(migrations.Migration):
    atomic = False  # VACUUM needs that; each step before it is a transaction of its own, and can be done again
    dependencies = [("compliance", "0005_identity"), ("otp_static", "0003_add_timestamps")]

    operations = [
        migrations.RunPython(move_keys, migrations.RunPython.noop, atomic=True),
        migrations.RunPython(hash_codes, migrations.RunPython.noop, atomic=True),
        migrations.RunSQL("VACUUM (FULL) otp_static_statictoken", migrations.RunSQL.noop),
    ]
