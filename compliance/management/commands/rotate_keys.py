"""manage.py rotate_keys"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from clinchat.lib.keys import KeptElsewhere, KeysUnavailable
from compliance import audit, rotation
from compliance.tasks import write_data_keys

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Wrap every sealed value (masked values, keys of authenticator apps and the like) with the newest "
        "key-encryption key. ClinChat goes on working meanwhile; the values stay as they are. A run that is broken off "
        "goes on where it stopped. It also moves everything to where CLINCHAT_KEYS says. Exit code 0: all values are "
        "wrapped with the newest key; 1: some are not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--new",
            action="store_true",
            help="Make a new key first, in the key file or in Vault; with KMS name the new key first in "
            "CLINCHAT_KMS_KEYS, in compose use make_secrets.py --new-sealing-key.",
        )
        parser.add_argument(
            "--retire",
            action="store_true",
            help="Afterwards remove the keys nothing is wrapped with any more, which takes a minute. Backups of the "
            "database made until now open only with those keys: keep a copy as long as the backups.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with rotation.alone():
                self._rotate(**options)
        except rotation.Busy:
            raise CommandError("Another rotation is running. Nothing was changed.") from None
        except rotation.StillOpen:
            raise CommandError(
                "No key was removed: a transaction of the database that began before has not ended, or values are "
                "still wrapped with another key. Run the command again later."
            ) from None
        except KeysUnavailable:
            raise CommandError(
                "The keys cannot be reached. What was done so far stays; run the command again."
            ) from None
        except audit.AuditUnavailable:
            raise CommandError("The audit trail cannot be written, so nothing more was done.") from None
        except KeptElsewhere as error:
            raise CommandError(error.line) from None

    def _rotate(self, *, new: bool, retire: bool, json: bool, **_: Any) -> None:
        made = rotation.renew() if new else ""
        report = rotation.rewrap(self._progress)
        transaction.on_commit(write_data_keys.delay, robust=True)
        retired: list[str] = []
        try:
            if retire and report.ok:
                retired = self._retire()
        finally:  # whatever becomes of the old keys, this is done
            self.stdout.write(_json(report, made, retired) if json else _text(report, made, retired))
        if not report.ok:
            raise SystemExit(1)

    def _retire(self) -> list[str]:
        """Whoever sealed with an earlier key must have stored it, so that the last pass finds it."""
        self.stderr.write("  waiting for what was begun before")
        rotation.settle()
        report = rotation.rewrap(self._progress)
        if not report.ok:
            raise rotation.StillOpen
        return rotation.retire()

    def _progress(self, done: int) -> None:
        if done % 10_000 < rotation.BATCH:
            self.stderr.write(f"  wrapped {done:,} values")


def _json(report: rotation.Report, made: str, retired: list[str]) -> str:
    found = {
        "key": report.key_id,
        "made": bool(made),
        "wrapped": dict(report.done),
        "left": report.left,
        "broken": report.broken,
        "retired": retired,
        "seconds": round(report.seconds, 3),
    }
    return json.dumps(found, indent=2)


def _text(report: rotation.Report, made: str, retired: list[str]) -> str:
    lines = [f"New key {made}."] if made else []
    lines += [f"{number:,} values of {name} wrapped anew" for name, number in sorted(report.done.items()) if number]
    for name, rows in report.broken.items():
        lines += [f"{name} {row} does not open: it was altered or moved, or its key is gone" for row in rows[:SHOWN]]
        lines += [f"… and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    if report.left:
        lines.append(f"{report.left:,} values are still wrapped with another key. Run the command again.")
    lines += [f"Removed key {key_id}." for key_id in retired]
    if report.ok:
        lines.append(f"Everything is wrapped with key {report.key_id} ({report.seconds:.1f} s).")
    return "\n".join(lines)
