"""The subcommands of `manage.py backup`, and what they share.

A subcommand is a module with HELP, `arguments(parser)` and `run(options, console) -> int`, which returns the exit code.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from compliance import phi
from compliance.continuity.backup import reading
from compliance.continuity.backup.manifests import object_name
from compliance.continuity.refusals import ContinuityError
from compliance.continuity.storage import stores
from compliance.free_text import masked
from compliance.models import Backup

DONE, FAILED, REFUSED = 0, 1, 3
"""Exit codes; argparse exits with 2. REFUSED: a backup did not pass its verification (refusals.Refused)."""


@dataclass(frozen=True)
class Console:
    """`out` writes a line of the result to standard output, `say` a line of progress to standard error."""

    out: Callable[[str], Any]
    say: Callable[[str], Any]

    def json(self, content: object) -> None:
        self.out(json.dumps(content, indent=2, sort_keys=True))


class Subcommand(Protocol):
    HELP: str

    def arguments(self, parser: ArgumentParser) -> None: ...

    def run(self, options: dict[str, Any], console: Console) -> int: ...


def add_json_option(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")


def add_store_option(parser: ArgumentParser) -> None:
    parser.add_argument("--store", default="", help="Which store, as named in CLINCHAT_BACKUPS (default: the first).")


def chosen_store(options: dict[str, Any]) -> stores.Store:
    """The store of --store; default: the primary. Raises StoreFailed."""
    return stores.named(options["store"]) if options["store"] else stores.primary()


def require_known(store: stores.Store, key: str) -> None:
    """Raises ContinuityError where the store has no object of that backup, and by our records never had."""
    if not any(store.list(object_name(key))) and key not in reading.missing_backups(store, ()):
        raise ContinuityError(f"{store.name} has no backup of that key. `backup list` shows those it has.")


def mask_text(text: str, *, where: str, longest: int) -> str:
    """Free text with patient identifiers masked, as forms do it. Raises ContinuityError where it cannot be checked."""
    try:
        return masked(text.strip(), where=where, longest=longest)
    except phi.PhiUnavailable:
        raise ContinuityError(
            "What you typed could not be checked for patient identifiers. Nothing was done; try again."
        ) from None


def backup_json(backup: Backup) -> dict[str, Any]:
    """The row of a backup as JSON."""
    return {
        "id": str(backup.pk),
        "key": backup.key,
        "kind": backup.kind,
        "type": backup.type,
        "name": backup.name,
        "state": backup.state,
        "as_of": backup.as_of.isoformat() if backup.as_of else None,
        "keep_until": backup.keep_until.isoformat() if backup.keep_until else None,
        "size": backup.size,
        "stores": backup.stores,
        "verified_ok": backup.verified_ok,
        "verified_at": backup.verified_at.isoformat() if backup.verified_at else None,
        "failure": backup.failure,
    }
