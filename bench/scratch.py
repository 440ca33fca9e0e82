"""A database of its own beside that of the portal, for measurements that write. It is dropped afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection, connections
from django.test import override_settings

from compliance.audit import lane


@contextmanager
def database() -> Iterator[None]:
    """Inside, Django's connection is that of an empty, migrated database; checkpoints go to a temporary file."""
    own = str(connection.settings_dict["NAME"])
    connection.settings_dict["TEST"]["NAME"] = f"bench_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            checkpoints = [str(Path(folder) / "audit.jsonl")]
            with override_settings(AUDIT_CHECKPOINT_FILES=checkpoints, AUDIT_CHECKPOINT_SYSLOG=""):
                yield
    finally:
        lane.close()
        connections.close_all()
        connection.creation.destroy_test_db(own, verbosity=0)
