"""manage.py backup list"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from compliance.continuity.backup import reading
from compliance.continuity.backup.manifests import Manifest
from compliance.continuity.commands import DONE, REFUSED, Console, chosen_store, with_json, with_store
from compliance.models import Backup

HELP = (
    "List the finished backups of a store, as their signed manifests say; it works without a database, and with one it "
    "names those that should be there and are not. Exit code 3: there is such a one, or one whose manifest is not "
    "believed; 1: the store is not there or does not answer."
)


def arguments(parser: ArgumentParser) -> None:
    with_store(parser)
    parser.add_argument("--kind", choices=Backup.Kind.values, help="Only backups of this kind.")
    with_json(parser)


def run(options: dict[str, Any], console: Console) -> int:
    store = chosen_store(options)
    found = dict(reading.scan_manifests(store))
    good = [one for one in found.values() if isinstance(one, Manifest)]
    bad = {key: one.words for key, one in found.items() if not isinstance(one, Manifest)}
    gone = reading.missing_backups(store, found)
    good = [one for one in good if options["kind"] in (None, one.kind)]
    if options["json"]:
        console.json({"store": store.name, "backups": [_shown(one) for one in good], "refused": bad, "lost": gone})
    else:
        for one in good:
            console.out(
                f"{one.key}  {one.kind:4}  {one.type:14}  {one.size / 2**20:9.1f} MiB  "
                f"kept until {one.keep_until:%Y-%m-%d}  {one.name}"
            )
        for key, words in bad.items():
            console.say(f"{key}  not believed: {words}")
        for key in gone:
            console.say(f"{key}  not there, though it was put there and not removed by ClinChat")
        console.out(f"{len(good)} in {store.name}")
    return REFUSED if bad or gone else DONE


def _shown(one: Manifest) -> dict[str, Any]:
    return {
        "key": one.key,
        "id": one.id,
        "kind": one.kind,
        "type": one.type,
        "name": one.name,
        "environment": one.environment,
        "as_of": one.as_of.isoformat(),
        "made_at": one.made_at.isoformat(),
        "keep_until": one.keep_until.isoformat(),
        "app_version": one.app_version,
        "size": one.size,
        "tables": len(one.rows),
        "rows": sum(each["rows"] for each in one.rows.values()),
    }
