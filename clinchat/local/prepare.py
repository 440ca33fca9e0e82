"""Bring an embedded installation up to date, in one Python process because each would cost a second.

`python -m clinchat.local.prepare` tells its progress on stderr and prints the demo sign-ins on stdout. Every
step may be repeated, and is quick when there is nothing to do.
"""

from __future__ import annotations

import os
import sys

from clinchat.local.paths import ROOT, LocalError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinchat.settings")
    import django
    from django.conf import settings
    from django.core.management import CommandError, call_command

    try:
        django.setup()
        ensure_tables()
        from compliance import audit

        _say("Loading the starter library")
        starter = ROOT / "chat" / "corpus" / "starter"
        with audit.bind_command(["ingest"]):
            call_command(
                "ingest", str(starter), collection="starter", name="Starter library", starter=True, stdout=sys.stderr
            )
        with audit.bind_command(["drug_table"]):
            call_command("drug_table", "add", stdout=sys.stderr)
        with audit.bind_command(["load_training"]):
            call_command("load_training", stdout=sys.stderr)
        call_command("collectstatic", interactive=False, verbosity=0)
        if settings.CLINCHAT_DEMO:
            with audit.bind_command(["load_demo"]):
                call_command("load_demo", show=True)
    except (CommandError, LocalError) as error:
        sys.exit(error.args[0])


def ensure_tables() -> None:
    """Bring the embedded database up to date, so that any command works right after `make setup`.

    The audit trail's triggers and months come with `migrate`, also when there is no migration to apply.
    """
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from compliance import audit
    from compliance.audit import partitions, triggers

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        _say("Bringing the tables up to date")
    elif not triggers.missing() and not partitions.missing():
        return
    with audit.bind_command(["migrate"]):
        call_command("migrate", interactive=False, verbosity=0)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
