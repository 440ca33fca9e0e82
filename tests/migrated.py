"""The database as the migrations make it, kept in the tests' server for as long as nothing of the product changes."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

import django
from django.db import connection

ROOT = Path(__file__).parents[1]
PRODUCT = ("chat", "clinchat", "compliance", "training", "requirements")
"""Migrations call what stands elsewhere, so all of it counts."""
PREFIX = "migrated_"


def use() -> None:
    """Have the tests' database made as a copy, if one is kept; `migrate` then runs on it and finds nothing to do."""
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
        kept = {name for (name,) in cursor.fetchall()}
        for old in kept - {_name()}:
            cursor.execute(f"DROP DATABASE IF EXISTS {old}")
    if _name() in kept:
        connection.settings_dict["TEST"]["TEMPLATE"] = _name()


def keep() -> None:
    """The tests' database was just made: copy it for the next run, unless it is a copy itself."""
    if "TEMPLATE" not in connection.settings_dict["TEST"]:
        made = connection.settings_dict["NAME"]
        connection.close()
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {_name()} TEMPLATE {connection.ops.quote_name(made)}")


@cache
def _name() -> str:
    found = sha256(django.__version__.encode())
    for path in sorted(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.*")):
        if path.suffix in {".py", ".sql", ".txt"}:
            found.update(f"{path.relative_to(ROOT)}\n".encode() + sha256(path.read_bytes()).digest())
    return f"{PREFIX}{found.hexdigest()[:32]}"
