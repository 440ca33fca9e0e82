"""Masked values get a data key each, wrapped by the key-encryption key, and are bound to table, column and row."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import migrations

import clinchat.lib.sealed_field
from clinchat.lib import sealed

OLD_VERSION = b"\x01"


def seal_anew(apps: Any, schema_editor: Any) -> None:
    """Open each value as 0.2.0 sealed it, and seal it for its row. A value that does not open stops the migration."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT id, scope, token, sealed FROM compliance_vaultentry ORDER BY id")
        rows = cursor.fetchall()
        if not rows:
            return
        old = AESGCM(hmac.new(settings.SEALING_KEYS()[-1], b"seal", hashlib.sha256).digest())
        for pk, scope, token, blob in rows:
            blob = bytes(blob)
            if blob[:1] != OLD_VERSION:
                raise sealed.Unsealable
            value = old.decrypt(blob[1:13], blob[13:], f"vault:{scope}:{token}".encode())
            place = f"compliance_vaultentry.sealed:{scope}:{token}".encode()
            cursor.execute(
                "UPDATE compliance_vaultentry SET sealed = %s WHERE id = %s", [sealed.seal(value, aad=place), pk]
            )


class Migration(migrations.Migration):
    dependencies = [("compliance", "0003_audit_trail")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("vaultentry", "sealed"),
                migrations.AddField(
                    "vaultentry",
                    "value",
                    clinchat.lib.sealed_field.SealedField(bound_to=("scope", "token"), db_column="sealed"),
                    preserve_default=False,
                ),
            ],
        ),
        migrations.RunPython(seal_anew, migrations.RunPython.noop),
    ]
