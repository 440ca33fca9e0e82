"""manage.py backup list"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from compliance.continuity.backup import reading
from compliance.continuity.backup.manifests import Manifest
from compliance.continuity.commands import DONE, REFUSED, Console, add_json_option, add_store_option, chosen_store
from compliance.models import Backup

HELP = (
    "List the finished backups of a store, as their signed manifests say; it works without a database, and with one it "
    "names those that should be there and are not. Exit code 3: there is such a one, or one whose manifest is not "
    "believed; 1: the store is not there or does not answer."
)


def arguments(parser: ArgumentParser) -> None:
    add_store_option(parser)
    parser.add_argument("--kind", choices=Backup.Kind.values, help="Only backups of this kind.")
    add_json_option(parser)


def run(options: dict[str, Any], console: Console) -> int:
    store = chosen_store(options)
    found = dict(reading.scan_manifests(store))
    valid = [manifest for manifest in found.values() if isinstance(manifest, Manifest)]
    refused = {key: error.words for key, error in found.items() if not isinstance(error, Manifest)}
    missing = reading.missing_backups(store, found)
    valid = [manifest for manifest in valid if options["kind"] in (None, manifest.kind)]
    if options["json"]:
        listed = [_manifest_json(manifest) for manifest in valid]
        console.json({"store": store.name, "backups": listed, "refused": refused, "lost": missing})
    else:
        for manifest in valid:
            console.out(
                f"{manifest.key}  {manifest.kind:4}  {manifest.type:14}  {manifest.size / 2**20:9.1f} MiB  "
                f"kept until {manifest.keep_until:%Y-%m-%d}  {manifest.name}"
            )
        for key, words in refused.items():
            console.say(f"{key}  not believed: {words}")
        for key in missing:
            console.say(f"{key}  not there, though it was put there and not removed by ClinChat")
        console.out(f"{len(valid)} in {store.name}")
    return REFUSED if refused or missing else DONE


def _manifest_json(manifest: Manifest) -> dict[str, Any]:
    return {
        "key": manifest.key,
        "id": manifest.id,
        "kind": manifest.kind,
        "type": manifest.type,
        "name": manifest.name,
        "environment": manifest.environment,
        "as_of": manifest.as_of.isoformat(),
        "made_at": manifest.made_at.isoformat(),
        "keep_until": manifest.keep_until.isoformat(),
        "app_version": manifest.app_version,
        "size": manifest.size,
        "tables": len(manifest.rows),
        "rows": sum(table["rows"] for table in manifest.rows.values()),
    }
