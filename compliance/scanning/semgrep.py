"""The rules of the house (semgrep, with compliance/scanning/rules alone; nothing is fetched).

Every rule carries a bad and a good sample. Both are scanned in each run beside the tree: a rule that is silent on its
bad sample, or speaks on its good one, makes the whole run an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from compliance.scanning import files, tools
from compliance.scanning.types import Finding, NotProved, Reading, Scan, Severity, Unusable

NAME: Final = "semgrep"
RULES: Final = Path(__file__).with_name("rules")
REVIEWED: Final = re.compile(r"^# Reviewed on (\d{4}-\d\d-\d\d)", re.MULTILINE)
ENDINGS: Final = {"python": ".py", "generic": ".html"}
SEVERITIES: Final[dict[str, Severity]] = {"CRITICAL": "critical", "HIGH": "high", "MEDIUM": "medium", "LOW": "low"}


@dataclass(frozen=True)
class Rule:
    id: str
    message: str
    severity: Severity
    ending: str
    bad: str
    good: str


def run(tree: Path) -> Scan:
    return tools.scanned(NAME, lambda folder: _work(tree, folder))


def rules(folder: Path = RULES) -> list[Rule]:
    found = [one for path in sorted(folder.glob("*.yaml")) for one in yaml.safe_load(path.read_text())["rules"]]
    return [
        Rule(
            one["id"],
            " ".join(one["message"].split()),
            SEVERITIES[one["severity"]],
            ENDINGS[one["languages"][0]],
            one["metadata"]["bad"],
            one["metadata"]["good"],
        )
        for one in found
    ]


def reviewed(folder: Path = RULES) -> date:
    """The day on which the file that was looked at longest ago was looked at."""
    return min(date.fromisoformat(REVIEWED.findall(path.read_text())[0]) for path in folder.glob("*.yaml"))


def _work(tree: Path, folder: Path) -> Reading:
    version = tools.version(tree, "semgrep")
    ours = rules()
    given = files.shipped(tree, *ENDINGS.values())
    samples = write_samples(ours, folder / "samples")
    words = ("scan", "--metrics=off", "--disable-version-check", "--no-git-ignore", "--quiet", "--json")
    limits = ("--max-target-bytes=0", "--timeout=60", "--timeout-threshold=0", "--jobs=2")
    env = {"SEMGREP_SEND_METRICS": "off", "SEMGREP_ENABLE_VERSION_CHECK": "0"}
    # The files by their names: of a folder it would leave out tests/, vendor/ and what a .semgrepignore names.
    printed = tools.call(
        tree, "semgrep", *words, *limits, "--config", RULES, *given, *samples, home=folder, env=env
    )  # fmt: skip
    found = read(printed, given, samples, ours)
    return Reading(version, f"{len(ours)} rules of our own (compliance/scanning/rules)", found, reviewed())


def write_samples(ours: list[Rule], folder: Path) -> list[Path]:
    """Each rule's bad and good sample as files bad.* and good.* in a folder of the rule's name."""
    written = []
    for rule in ours:
        (folder / rule.id).mkdir(parents=True)
        for name in ("bad", "good"):
            path = folder / rule.id / f"{name}{rule.ending}"
            path.write_text(getattr(rule, name))
            written.append(path)
    return written


def read(printed: bytes, given: list[Path], samples: list[Path], ours: list[Rule]) -> list[Finding]:
    """Findings in the files given. Raises Unusable unless each was read and every rule knows bad from good."""
    said = tools.document(printed)
    if said["errors"]:
        raise Unusable(f"could not read {len(said['errors'])} files or rules")
    tools.all_read([*given, *samples], {Path(name) for name in said["paths"]["scanned"]})
    known = {rule.id: rule for rule in ours}
    spoken: set[tuple[str, str, str]] = set()
    found = []
    for one in said["results"]:
        path, rule = Path(one["path"]), known[one["check_id"].rpartition(".")[2]]
        if path in samples:
            spoken.add((rule.id, path.parent.name, path.stem))
        else:
            found.append(_finding(rule, path, one))
    _prove(known, spoken)
    return sorted(set(found), key=lambda one: one.place)


def _prove(known: dict[str, Rule], spoken: set[tuple[str, str, str]]) -> None:
    if any((rule, rule, "bad") not in spoken for rule in known):
        raise NotProved
    wolf = sorted(rule for rule in known if (rule, rule, "good") in spoken)
    if wolf:
        raise Unusable(f"the rule {wolf[0]} speaks on its own good sample")


def _finding(rule: Rule, path: Path, said: dict[str, Any]) -> Finding:
    return Finding(NAME, rule.id, rule.severity, f"{path.as_posix()}:{int(said['start']['line'])}", rule.message)
