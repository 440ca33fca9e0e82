"""manage.py backup"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from importlib import import_module
from textwrap import fill
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from compliance.continuity.commands import FAILED, REFUSED, Console, Subcommand
from compliance.continuity.refusals import ContinuityError, Refused

PACKAGE: Final = "compliance.continuity.commands."
SUBCOMMANDS: Final = ("create", "list", "verify", "files", "prune", "new-store", "restore", "drill", "wal")
EXAMPLES: Final = """examples:
  A snapshot before something is changed:
    manage.py backup create --type pre_deployment --reason "version 0.9"
  What there is:
    manage.py backup list
  Read the newest one back, every byte of it:
    manage.py backup verify
  Prove that it can be restored:
    manage.py backup drill

manage.py backup SUBCOMMAND --help says more. The key is never given on a command line: BACKUP_KEY_FILE names its file.

exit code: 0 done, 1 a problem, 2 the command line cannot be understood, 3 a backup is not what was put into the store.
"""


class Command(BaseCommand):
    help = fill(
        "Make, list, verify, remove and restore backups of this installation: encrypted, signed, in the folders and "
        "buckets that CLINCHAT_BACKUPS names. docs/backups.md says what is in one and how it is read.",
        width=79,
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parsers = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", required=True)
        for name in SUBCOMMANDS:
            module: Subcommand = _module(name)
            module.arguments(parsers.add_parser(name, help=module.HELP, description=module.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(out=self.stdout.write, say=self.stderr.write)
        try:
            code = _module(options["subcommand"]).run(options, console)
        except Refused as error:
            raise CommandError(error.words, returncode=REFUSED) from None
        except ContinuityError as error:
            raise CommandError(error.words, returncode=FAILED) from None
        if code:
            raise SystemExit(code)


def _module(name: str) -> Any:
    return import_module(PACKAGE + name.replace("-", "_"))
