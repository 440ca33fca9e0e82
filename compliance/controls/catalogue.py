"""The control catalogue: which rule asks for what, which checks show it, and how much it counts.

It is a file of the release, read once and validated; its SHA-256 is part of every result.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from django.core.exceptions import ImproperlyConfigured

from clinchat.lib.located import At, Problem, Problems, document, read_file

FILE: Final = Path(__file__).with_name("hipaa_controls.yaml")
LARGEST: Final = 512 * 1024
"""Bytes of a catalogue: reading YAML takes its time."""
_ID: Final = re.compile(r"[A-Z][A-Z0-9]{1,3}-[0-9]{2}")
_KEY: Final = re.compile(r"[a-z0-9]+\.[a-z0-9_]+")
_SEVERITIES: Final = ("SEV1", "SEV2", "SEV3", "SEV4")


class Mode(StrEnum):
    AUTOMATED = "automated"
    HYBRID = "hybrid"
    ATTESTATION = "attestation"
    NOT_APPLICABLE = "not_applicable"


class Kind(StrEnum):
    """What a row is in the rule in force."""

    REQUIRED = "required"
    ADDRESSABLE = "addressable"
    STANDARD = "standard"
    BREACH_RULE = "breach_rule"
    PRIVACY_RULE = "privacy_rule"
    PART2 = "part2"
    PROPOSED = "proposed"
    INTERNAL = "internal"


class Safeguard(StrEnum):
    """Groups of rows, by the beginning of their ids."""

    ADMINISTRATIVE = "Administrative"
    PHYSICAL = "Physical"
    TECHNICAL = "Technical"
    DOCUMENTATION = "Documentation"
    BREACH = "Breach notification"
    PRIVACY = "Privacy and Part 2"
    PROPOSED = "Proposed rule"
    APPLICATION = "Application"


_SAFEGUARDS: Final = {
    "ADM": Safeguard.ADMINISTRATIVE,
    "PHY": Safeguard.PHYSICAL,
    "TEC": Safeguard.TECHNICAL,
    "DOC": Safeguard.DOCUMENTATION,
    "BRN": Safeguard.BREACH,
    "PRV": Safeguard.PRIVACY,
    "P2": Safeguard.PRIVACY,
    "NPR": Safeguard.PROPOSED,
    "APP": Safeguard.APPLICATION,
}
EVERY: Final[dict[str, int]] = {
    "live": 5,
    "hourly": 60,
    "6h": 6 * 60,
    "daily": 24 * 60,
    "weekly": 7 * 24 * 60,
    "monthly": 30 * 24 * 60,
}
"""Minutes between two runs of a check."""


@dataclass(frozen=True, slots=True)
class Check:
    """One executable check. `asserts` is what must be so; `breaks` the change that must turn it red."""

    key: str
    every: str
    asserts: str
    breaks: str

    @property
    def minutes(self) -> int:
        return EVERY[self.every]


@dataclass(frozen=True, slots=True)
class Duty:
    """What a person has to sign beside the checks. `office` answers for it unless another owner is named."""

    office: str
    review_days: int
    artifact: str


@dataclass(frozen=True, slots=True)
class Control:
    """One row. `nprm` is what the proposed rule of January 2025 would change about it."""

    id: str
    cfr: tuple[str, ...]
    title: str
    kind: Kind
    mode: Mode
    weight: int
    gate: bool
    text: str
    checks: tuple[Check, ...]
    duty: Duty | None
    nprm: str = ""
    on_fail: str = ""

    @property
    def citations(self) -> tuple[str, ...]:
        """As they are written: 45 CFR 164.312(b)."""
        return tuple(f"45 CFR {one}" if one.startswith("164.") else one for one in self.cfr)

    @property
    def safeguard(self) -> Safeguard:
        return _SAFEGUARDS[self.id.partition("-")[0]]


@dataclass(frozen=True)
class Catalogue:
    """`retired` names checks that a release has taken out on purpose, each for a reason given in the file."""

    version: int
    compiled: str
    sha256: str
    text: str
    controls: tuple[Control, ...]
    retired: frozenset[str]

    @property
    def checks(self) -> dict[str, Check]:
        return {check.key: check for control in self.controls for check in control.checks}

    @property
    def by_id(self) -> dict[str, Control]:
        return {control.id: control for control in self.controls}

    def control_of(self, key: str) -> Control | None:
        return next((one for one in self.controls if any(check.key == key for check in one.checks)), None)

    def with_history(self, earlier: Iterable[Catalogue]) -> Catalogue:
        """This catalogue, and what earlier ones had beside it: a row or check that vanished still counts.

        Without it, deleting what fails would raise the score. Gates stay gates, weights stay where they were highest,
        and what counted for the score does not become a row of the proposed rule, which is scored apart. What a
        release means to take out it lists as retired.
        """
        rows = {control.id: control for control in self.controls}
        known = set(self.checks) | self.retired
        for past in earlier:
            for old in past.controls:
                checks = tuple(check for check in old.checks if check.key not in known)
                known.update(check.key for check in checks)
                row = rows.get(old.id)
                if row is None:
                    rows[old.id] = replace(old, checks=checks)
                else:
                    rows[old.id] = replace(
                        row,
                        checks=row.checks + checks,
                        weight=max(row.weight, old.weight),
                        gate=row.gate or old.gate,
                        kind=old.kind if row.kind is Kind.PROPOSED else row.kind,
                    )
        return replace(self, controls=tuple(rows.values()))


class Malformed(Exception):
    """The catalogue is not one; `problems` says where, and what was expected there."""

    def __init__(self, problems: Collection[Problem]) -> None:
        super().__init__(len(problems))
        self.problems = tuple(sorted(set(problems)))


@cache
def current() -> Catalogue:
    """The catalogue of this release. Raises Malformed."""
    return load(FILE)


def require() -> None:
    """End a process that starts with a catalogue that cannot be used: ImproperlyConfigured names every place."""
    try:
        current()
    except Malformed as wrong:
        raise ImproperlyConfigured("\n".join(map(str, wrong.problems))) from None


def load(path: Path) -> Catalogue:
    """Read a catalogue file. Raises Malformed with every file, line and field that is wrong."""
    found: list[Problem] = []
    texts: list[str] = []
    if path.is_file() and path.stat().st_size > LARGEST:
        found.append(Problem(path.name, 1, f"The file is larger than {LARGEST // 1024} KiB."))
    else:
        read_file(path, path.name, found, texts.append)
    if found:
        raise Malformed(found)
    return parse(texts[0], name=path.name)


@lru_cache(maxsize=32)
def parse(text: str, *, name: str = FILE.name) -> Catalogue:
    """As `load`, for a text."""
    found: list[Problem] = []
    root = document(text, Problems(name, found))
    if root is None:
        raise Malformed(found)
    catalogue = _catalogue(root, text)
    if found:
        raise Malformed(found)
    return catalogue


def _catalogue(root: At, text: str) -> Catalogue:
    root.only("meta", "controls", "clocks")
    meta = root.inside("meta")
    version = meta.number("version", low=1, high=9999)
    compiled = meta.text("compiled", longest=10)
    retired = _retired(meta)
    entries = root.each("controls", fewest=1, most=500)
    controls = [_control(entry) for entry in entries]
    ids: dict[str, int] = {}
    keys: dict[str, int] = {}
    for entry, control in zip(entries, controls, strict=True):
        if control.id in ids:
            entry.wrong(f"id {control.id} is that of line {ids[control.id]} already.", "id")
        ids.setdefault(control.id, entry.line)
        for check, at in zip(control.checks, entry.each("checks", most=20), strict=True):
            if check.key in keys:
                at.wrong(f"key {check.key} is that of line {keys[check.key]} already.", "key")
            if check.key in retired:
                at.wrong(f"key {check.key} is retired.", "key")
            keys.setdefault(check.key, at.line)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Catalogue(version, compiled, digest, text, tuple(controls), frozenset(retired))


def _retired(meta: At) -> Mapping[str, str]:
    found = {}
    for entry in meta.each("retired", most=500) if meta.has("retired") else ():
        entry.only("key", "reason")
        found[entry.text("key", longest=60)] = entry.text("reason", longest=300)
    return found


def _control(at: At) -> Control:
    at.only(
        *("id", "cfr", "title", "type", "mode", "weight", "gate", "sp800_66", "onc", "text", "nprm", "checks"),
        *("attest", "on_fail"),
    )
    name = at.text("id", longest=10)
    if name and (not _ID.fullmatch(name) or name.partition("-")[0] not in _SAFEGUARDS):
        at.wrong(f"id must be one of {', '.join(_SAFEGUARDS)} with a number, as ADM-01.", "id")
        name = "APP-00"
    mode = Mode(at.choice("mode", [str(one) for one in Mode]))
    kind = Kind(at.choice("type", [str(one) for one in Kind]))
    weight = at.number("weight", low=0, high=10)
    gate = at.flag("gate")
    if not at.has("gate"):
        at.wrong("gate is missing.")
    checks = tuple(_check(entry) for entry in at.each("checks", most=20))
    duty = _duty(at.inside("attest")) if at.has("attest") else None
    if mode in {Mode.AUTOMATED, Mode.HYBRID} and not checks:
        at.wrong(f"checks must not be empty where mode is {mode}.", "checks")
    if mode in {Mode.ATTESTATION, Mode.NOT_APPLICABLE} and checks:
        at.wrong(f"checks must be empty where mode is {mode}.", "checks")
    if mode is not Mode.AUTOMATED and duty is None:
        at.wrong(f"attest is missing; mode {mode} needs somebody who signs.")
    if (weight == 0) != (mode is Mode.NOT_APPLICABLE):
        at.wrong("weight must be 0 where the control does not apply, and only there.", "weight")
    return Control(
        id=name,
        cfr=tuple(at.texts("cfr", fewest=1, most=10, longest=60)),
        title=at.text("title", longest=100),
        kind=kind,
        mode=mode,
        weight=weight,
        gate=gate,
        text=at.text("text", longest=500),
        checks=checks,
        duty=duty,
        nprm=at.text("nprm", longest=300, required=False),
        on_fail=at.choice("on_fail", _SEVERITIES) if at.has("on_fail") else "",
    )


def _check(at: At) -> Check:
    at.only("key", "every", "assert", "break")
    key = at.text("key", longest=60)
    if key and not _KEY.fullmatch(key):
        at.wrong("key must be two words with a period between them, as audit.grants.", "key")
    return Check(
        key,
        at.choice("every", list(EVERY)),
        at.text("assert", longest=500),
        at.text("break", longest=200),
    )


def _duty(at: At) -> Duty:
    at.only("owner", "review_days", "artifact")
    office = at.choice("owner", ("security_official", "privacy_official", "compliance_manager"))
    return Duty(office, at.number("review_days", low=1, high=3650), at.text("artifact", longest=200))
