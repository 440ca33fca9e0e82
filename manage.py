#!/usr/bin/env python
"""ClinChat's commands. In embedded mode they work with `make run` up or down: they start the services."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from clinchat import local

NEED_NO_SERVICES = {"check", "collectstatic", "help", "version"}
DO_WITHOUT = {"check_interactions", "scan"}
"""They have another way where the database cannot be reached or started."""
MAKE_THE_TABLES = {"makemigrations", "migrate", "showmigrations", "sqlmigrate", "squashmigrations", "test"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinchat.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit('Django is not installed for this Python. Run "make setup", then .venv/bin/python manage.py')
    from django.core.exceptions import ImproperlyConfigured

    # Without this, a stopped command would skip the exit handler that stops the services after it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        if _needs_services(sys.argv[1:]):
            _start()
        _execute(execute_from_command_line)
    except local.LocalError as error:
        sys.exit(error.line)
    except ImproperlyConfigured as error:  # in the words of our settings, which name the variable and quote no secret
        words = f"A setting keeps ClinChat from starting: {error}"  # nosemgrep: exception-text-told  # words of ours
        sys.exit(words)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _start() -> None:
    try:
        local.ensure_services()
        if local.embedded("DATABASE_URL") and sys.argv[1] not in MAKE_THE_TABLES:
            _ensure_tables()
    except local.LocalError:
        if sys.argv[1] not in DO_WITHOUT:
            raise


def _ensure_tables() -> None:
    import django

    from clinchat.local.prepare import ensure_tables

    django.setup()
    ensure_tables()


def _execute(execute: Callable[[list[str]], None]) -> None:
    """Run the command; what it changes is put down to it in the audit trail."""
    if _needs_services(sys.argv[1:]):
        import django

        django.setup()
        from compliance import audit
        from compliance.continuity import write_guard

        with audit.bind_command(sys.argv[1:]):
            try:
                execute(sys.argv)
            except write_guard.ReadOnlyNow as refused:
                sys.exit(f"{refused.words} Try again when it is off: manage.py maintenance status")
            finally:
                if local.embedded("DATABASE_URL"):
                    _seal()
    else:
        execute(sys.argv)


def _seal() -> None:
    """Seal what the command did: without `make run` nobody else does. What fails here, the next sealer makes up for."""
    from django.db import DatabaseError

    from compliance.audit import seal, signing

    with suppress(DatabaseError, signing.KeyUnusable):
        seal.seal_all(streams=False)


def _needs_services(words: list[str]) -> bool:
    asks_for_help = not words or {"-h", "--help", "--version"} & set(words)
    return not asks_for_help and words[0] not in NEED_NO_SERVICES


if __name__ == "__main__":
    main()
