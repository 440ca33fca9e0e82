"""A portal in a database of its own, which a restore may rename, freeze and replace."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from typing import Any

from django.db import connections
from django.test import override_settings

from chat.models import Collection, Conversation
from compliance import audit
from compliance.audit import seal, triggers
from compliance.continuity import programs
from compliance.continuity.backup import backups
from compliance.continuity.restore import databases
from compliance.models import Backup
from tests import cast
from tests.chat import shelf

TEMPLATE = "furnished"
LIVE = "restored"
LIBRARY = "library"
MD5 = "django.contrib.auth.hashers.MD5PasswordHasher"  # a cheap one, as in tests/conftest.py


@contextmanager
def prepared() -> Iterator[None]:
    """The template of all portals: the tests' own tables, protected as in use, with people and a library."""
    own = str(connections["default"].settings_dict["NAME"])
    _copy(own, TEMPLATE)
    try:
        with databases.as_default(TEMPLATE), by_test(), override_settings(PASSWORD_HASHERS=[MD5]):
            _protect()
            for somebody in (cast.alice, cast.bob, cast.carol, cast.otto, cast.audra, cast.mallory, cast.sam):
                somebody()
            library = Collection.objects.create(slug=LIBRARY, name="Library")
            shelf.load(library, shelf.source("Once daily."), shelf.source("Twice daily.", 2))
            Conversation.objects.create(author=cast.alice(), title="Before")
        yield
    finally:
        _drop(TEMPLATE)


@contextmanager
def standing(folder: Path) -> Iterator[None]:
    """A copy of the template; backups and checkpoints go to the folder."""
    checkpoints = [str(folder / "checkpoints.jsonl")]
    _copy(TEMPLATE, LIVE)
    try:
        with override_settings(BACKUP_STORES=[str(folder / "store")], AUDIT_CHECKPOINT_FILES=checkpoints):
            yield
    finally:
        _drop(LIVE)


@contextmanager
def entered() -> Iterator[None]:
    """Inside, Django's database is that one."""
    with databases.as_default(LIVE), by_test():
        seal.seal_all()
        yield


def by_test() -> Any:
    return audit.bind(kind=audit.ActorKind.SERVICE, name="the test")


def snapshot(name: str = "Monday", type: str = Backup.Type.PRE_DEPLOYMENT) -> Backup:  # noqa: A002
    return backups.create(type=type, name=name, reason="Test")


def there() -> set[str]:
    """The databases of the portal."""
    with databases.connect(databases.CONTROL_DATABASE) as control:
        names = {name for (name,) in control.execute("SELECT datname FROM pg_database")}
    return {name for name in names if name.startswith(LIVE)}


def killed(work: Callable[[], object]) -> int:
    """Do the work in a process of its own; returns how that ended, as the shell does for signals: 128 + number."""
    databases.close_connections()
    child = os.fork()
    if child == 0:
        for one in connections.all(initialized_only=True):  # with a browser in the parent, others than it just closed:
            one.connection = None  # Django keeps those of a running event loop apart, and there is none here
        try:
            work()
        except BaseException:  # noqa: BLE001  # whatever it is, the parent's code must not run here
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def die() -> None:
    os.kill(os.getpid(), SIGKILL)


def hand_over(*, to: str) -> None:
    """Make the portal's database anew as another role's, from a dump of it."""
    dump = programs.run("pg_dump", ["--format=custom"])
    databases.close_connections()
    with databases.connect(databases.CONTROL_DATABASE) as control:
        databases.drop(control, LIVE)
        control.execute(f"CREATE DATABASE {LIVE} OWNER {to} TEMPLATE {LIVE}_template")
    way = programs.owner_conninfo(LIVE) | {"user": to}
    programs.feed(
        "pg_restore", ["--exit-on-error", "--no-owner", "--no-comments", "--dbname", LIVE], [dump], conninfo=way
    )


def _protect() -> None:
    """What tests/conftest.py switched off for the sake of emptying tables."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgenabled = 'D' AND NOT tgisinternal"
        )
        for table, name in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
    triggers.install()


def _copy(of: str, name: str) -> None:
    databases.close_connections()
    with databases.connect(databases.CONTROL_DATABASE) as control:
        databases.drop(control, name)
        databases.end_sessions(control, of)
        control.execute(f"CREATE DATABASE {name} TEMPLATE {of} STRATEGY file_copy")


def _drop(name: str) -> None:
    """It, and what restores made beside it."""
    databases.close_connections()
    with databases.connect(databases.CONTROL_DATABASE) as control:
        for (one,) in control.execute("SELECT datname FROM pg_database").fetchall():
            if one == name or one.startswith(f"{name}_"):
                databases.drop(control, one)
