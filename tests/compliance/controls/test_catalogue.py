"""The control catalogue as its own meta section describes it; whatever else is in the file is told by file and line."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinchat.lib.located import Problem
from compliance.controls import catalogue
from compliance.controls.catalogue import FILE, Catalogue, Kind, Malformed, Mode, load, parse
from tests.processes import ROOT

TEXT = FILE.read_text(encoding="utf-8")
SMALL = """\
meta:
  version: 1
  compiled: 2026-11-21
controls:
- id: ADM-01
  cfr: ["164.308(a)(1)"]
  title: Risk analysis
  type: required
  mode: hybrid
  weight: 9
  gate: true
  text: Look for what could go wrong.
  checks:
  - key: risk.current
    every: daily
    assert: it is current
    break: age it
  attest:
    owner: security_official
    review_days: 365
    artifact: the analysis
  on_fail: SEV3
- id: TEC-01
  cfr: ["164.312(a)"]
  title: Names
  type: addressable
  mode: automated
  weight: 3
  gate: false
  text: One account for one person.
  checks:
  - key: names.single
    every: live
    assert: nobody shares
    break: share one
"""


def problems(text: str) -> list[str]:
    with pytest.raises(Malformed) as wrong:
        parse(text, name="c.yaml")
    return [str(one) for one in wrong.value.problems]


def swapped(old: str, new: str, *, of: str = SMALL) -> str:
    assert old in of
    return of.replace(old, new, 1)


# ── The file of the release ────────────────────────────────────────────────────────────────────────────────────


def test_what_is_shipped() -> None:
    found = load(FILE)
    assert len(found.controls) == len(found.by_id) == 61
    assert len(found.checks) == sum(len(one.checks) for one in found.controls) == 98
    assert sum(one.gate for one in found.controls) == 18
    assert found.sha256 == hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert found.text == TEXT
    assert catalogue.current() == found


def test_every_row_says_what_meta_asks_of_its_mode() -> None:
    for one in load(FILE).controls:
        assert bool(one.checks) == (one.mode in {Mode.AUTOMATED, Mode.HYBRID}), one.id
        assert (one.duty is not None) or one.mode is Mode.AUTOMATED, one.id
        assert 1 <= one.weight <= 10 or one.mode is Mode.NOT_APPLICABLE, one.id
        assert all(check.asserts and check.breaks and check.minutes >= 5 for check in one.checks), one.id
        assert one.kind in Kind
        assert one.safeguard


def test_the_intervals_are_those_of_the_file() -> None:
    assert "every: {live: 5m, hourly: 1h, 6h: 6h, daily: 1d, weekly: 7d, monthly: 30d}" in TEXT
    expected = {"live": 5, "hourly": 60, "6h": 360, "daily": 1440, "weekly": 10080, "monthly": 43200}
    assert expected == catalogue.EVERY


# ── What is not a catalogue ────────────────────────────────────────────────────────────────────────────────────

CHECKS = """\
  checks:
  - key: risk.current
    every: daily
    assert: it is current
    break: age it
"""
ATTEST = """\
  attest:
    owner: security_official
    review_days: 365
    artifact: the analysis
"""
SECOND = SMALL[SMALL.index("- id: TEC-01") :]
WRONG: dict[str, tuple[str, int, str]] = {
    "a name nobody knows": (swapped("  on_fail: SEV3\n", "  on_fail: SEV3\n  urgent: yes\n"), 23, "urgent"),
    "a name of meta nobody knows in the root": (SMALL + "extra: 1\n", 36, "extra"),
    "no meta": (SMALL[SMALL.index("controls:") :], 1, "meta"),
    "no controls": (SMALL[: SMALL.index("controls:")], 1, "controls"),
    "controls are empty": (SMALL[: SMALL.index("- id")].rstrip() + " []\n", 4, "controls"),
    "controls are a mapping": (SMALL[: SMALL.index("- id")] + "  a: 1\n", 4, "controls"),
    "a control is a text": (SMALL + "- just words\n", 36, "id"),
    "a control is a list": (SMALL + "- [ADM-02]\n", 36, "id"),
    "no version": (swapped("  version: 1\n", ""), 2, "version"),
    "the version is a word": (swapped("version: 1", "version: one"), 2, "version"),
    "the version is none": (swapped("version: 1", "version: 0"), 2, "version"),
    "no id": (swapped("- id: ADM-01\n  cfr", "- cfr"), 5, "id"),
    "an id of no safeguard": (swapped("ADM-01", "XYZ-01"), 5, "id"),
    "an id in small letters": (swapped("ADM-01", "adm-01"), 5, "id"),
    "an id of one digit": (swapped("ADM-01", "ADM-1"), 5, "id"),
    "an id of three digits": (swapped("ADM-01", "ADM-001"), 5, "id"),
    "an id twice": (swapped("TEC-01", "ADM-01"), 23, "ADM-01"),
    "a key twice": (swapped("names.single", "risk.current"), 32, "risk.current"),
    "a key without a period": (swapped("names.single", "names"), 32, "key"),
    "a key of three words": (swapped("names.single", "names.single.ones"), 32, "key"),
    "a key in capitals": (swapped("names.single", "Names.Single"), 32, "key"),
    "no key": (swapped("  - key: names.single\n    every", "  - every"), 32, "key"),
    "an interval nobody knows": (swapped("every: live", "every: yearly"), 33, "every"),
    "an interval in minutes": (swapped("every: live", "every: 5"), 33, "every"),
    "no interval": (swapped("    every: live\n", ""), 32, "every"),
    "no assert": (swapped("    assert: nobody shares\n", ""), 32, "assert"),
    "no break": (swapped("    break: share one\n", ""), 32, "break"),
    "an empty break": (swapped("break: share one", "break: ''"), 35, "break"),
    "a check of another format": (swapped("break: share one\n", "break: share one\n    zero_ok: true\n"), 36, "zero"),
    "automated without checks": (
        swapped(SECOND[SECOND.index("  checks:") :], "  checks: []\n"),
        31,
        "checks",
    ),
    "hybrid without checks": (swapped(CHECKS, "  checks: []\n"), 13, "checks"),
    "hybrid without the name of checks": (swapped(CHECKS, ""), 5, "checks"),
    "attestation with checks": (swapped("mode: hybrid", "mode: attestation"), 13, "checks"),
    "not applicable with a weight": (
        swapped("mode: hybrid", "mode: not_applicable").replace(CHECKS, "  checks: []\n"),
        10,
        "weight",
    ),
    "no weight that counts": (swapped("weight: 3", "weight: 0"), 28, "weight"),
    "a weight out of range": (swapped("weight: 3", "weight: 11"), 28, "weight"),
    "a weight below nothing": (swapped("weight: 3", "weight: -3"), 28, "weight"),
    "a weight with a fraction": (swapped("weight: 3", "weight: 3.5"), 28, "weight"),
    "a weight that is a text": (swapped("weight: 3", "weight: '3'"), 28, "weight"),
    "a weight that is a flag": (swapped("weight: 3", "weight: true"), 28, "weight"),
    "no weight": (swapped("  weight: 3\n", ""), 23, "weight"),
    "a gate that is a word": (swapped("gate: false", "gate: maybe"), 29, "gate"),
    "a gate that is a number": (swapped("gate: false", "gate: 1"), 29, "gate"),
    "a gate that is a text": (swapped("gate: false", "gate: 'false'"), 29, "gate"),
    "no gate": (swapped("  gate: false\n", ""), 23, "gate"),
    "a mode nobody knows": (swapped("mode: automated", "mode: manual"), 27, "mode"),
    "no mode": (swapped("  mode: automated\n", ""), 23, "mode"),
    "a type nobody knows": (swapped("type: addressable", "type: optional"), 26, "type"),
    "no citation": (swapped('  cfr: ["164.312(a)"]\n', "  cfr: []\n"), 24, "cfr"),
    "a citation that is no list": (swapped('cfr: ["164.312(a)"]', "cfr: 164.312"), 24, "cfr"),
    "a citation that is a list": (swapped('cfr: ["164.312(a)"]', "cfr: [[a]]"), 24, "cfr"),
    "no title": (swapped("  title: Names\n", ""), 23, "title"),
    "a title that is a list": (swapped("title: Names", "title: [Names]"), 25, "title"),
    "a long title": (swapped("title: Names", "title: " + "N" * 101), 25, "title"),
    "a title that was split at its comma": (
        SMALL + '- {id: TEC-02, cfr: ["164"], title: Access, change, type: required, mode: automated, weight: 1,\n'
        "   gate: false, text: Words, checks: [{key: a.b, every: live, assert: c, break: d}]}\n",
        36,
        "change",
    ),
    "no text": (swapped("  text: One account for one person.\n", ""), 23, "text"),
    "hybrid without an owner's duty": (swapped(ATTEST, ""), 5, "attest"),
    "an owner nobody knows": (swapped("owner: security_official", "owner: janitor"), 19, "owner"),
    "an owner who is a person": (swapped("owner: security_official", "owner: Sam Sato"), 19, "owner"),
    "a review never": (swapped("review_days: 365", "review_days: 0"), 20, "review_days"),
    "no review": (swapped("    review_days: 365\n", ""), 19, "review_days"),
    "no artifact": (swapped("    artifact: the analysis\n", ""), 19, "artifact"),
    "a severity nobody knows": (swapped("SEV3", "SEV9"), 22, "on_fail"),
    "a name twice": (swapped("  weight: 3\n", "  weight: 3\n  weight: 4\n"), 29, "weight"),
    "a check that is a word": (swapped("  checks:\n  - key: names", "  checks:\n  - words\n  - key: names"), 32, "key"),
    "a retired check that is there": (
        swapped("  compiled: 2026-11-21\n", "  compiled: 2026-11-21\n  retired: [{key: names.single, reason: Old}]\n"),
        33,
        "retired",
    ),
    "retired without a reason": (
        swapped("  compiled: 2026-11-21\n", "  compiled: 2026-11-21\n  retired: [{key: names.old}]\n"),
        4,
        "reason",
    ),
    "not YAML": (swapped("  title: Names\n", "  title: 'Names\n"), 36, "not YAML"),
    "a colon without quotes": (swapped("title: Names", "title: Names: of people"), 25, "not YAML"),
    "a tab": (swapped("  title: Names", "\ttitle: Names"), 25, "not YAML"),
    "two documents": (SMALL + "---\na: 1\n", 36, "not YAML"),
    "a NUL": (swapped("title: Names", "title: Na\0mes"), 25, "no place in YAML"),
    "a NUL in quotes": (swapped("title: Names", 'title: "Na\\0mes"'), 25, "title"),
    "half a character": (swapped("title: Names", 'title: "Na\\ud800mes"'), 25, "title"),
    "nothing": ("", 1, "empty"),
    "only a remark": ("# nothing\n", 1, "empty"),
    "a list": ("- 1\n", 1, "meta"),
    "a text": ("words", 1, "meta"),
    "an alias to nothing": ("meta: *nowhere\n", 1, "not YAML"),
    "a list within itself": (swapped("checks:\n  - key: names", "checks: &a\n  - *a\n  - key: names"), 31, ""),
}  # fmt: skip


@pytest.mark.parametrize("which", WRONG)
def test_a_malformed_catalogue_names_file_line_and_field(which: str) -> None:
    text, line, word = WRONG[which]
    found = problems(text)
    assert any(one.startswith(f"c.yaml:{line}: ") and word in one for one in found), found
    assert len(found) == len(set(found)), "told twice"


def test_there_are_enough_ways() -> None:
    assert len(WRONG) >= 40
    assert isinstance(parse(SMALL), Catalogue)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00m", TEXT.encode("utf-16"), SMALL.encode() + b"\xc3\x28", b"\0" * 100],
    ids=["no UTF-8", "UTF-16", "half a character", "zeros"],
)
def test_bytes_that_are_no_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hipaa_controls.yaml"
    path.write_bytes(content)
    with pytest.raises(Malformed) as wrong:
        load(path)
    assert str(wrong.value.problems[0]).startswith("hipaa_controls.yaml:1: ")


def test_no_file_a_folder_and_a_file_without_end(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    huge.write_text("- a\n" * 5_000_000)
    for path in (tmp_path / "none.yaml", tmp_path, huge):
        with pytest.raises(Malformed) as wrong:
            load(path)
        assert [one.line for one in wrong.value.problems] == [1]


def test_a_line_of_windows_and_a_byte_order_mark_change_nothing_of_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert load(path).controls == parse(SMALL).controls


# ── Anything at all ────────────────────────────────────────────────────────────────────────────────────────────


def only_malformed(text: str) -> None:
    told: tuple[Problem, ...] = ()
    try:
        parse(text)
    except Malformed as wrong:
        told = wrong.problems or (Problem("", 0, ""),)
    assert all(one.line >= 1 and one.words for one in told)


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(st.binary(max_size=400))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with suppress(Malformed):
        load(path)


@QUICK
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    only_malformed(text)


VALUES = (
    *("null", "[]", "{}", "~", "''", "-1", "1e999", "0x_", "0b_", "=", "<<", "2026-99-99", "*a", "&a [*a]", "!!int a"),
    *("!x", "true", "9" * 5000, "1:70", ".inf", '"\\UFFFFFFFF"', "|", ">", "? a", "- a", "{a: b, a: b}"),
    "0001-01-01T00:00:00+99:99",
)


@QUICK
@given(st.randoms(use_true_random=False))
def test_a_catalogue_that_somebody_sat_on(make: random.Random) -> None:
    lines = SMALL.splitlines()
    for _ in range(make.randint(1, 3)):
        place = make.randrange(len(lines))
        name, colon, _ = lines[place].partition(": ")
        lines[place] = make.choice(MUTATIONS)(lines[place], name + colon, make)
    only_malformed("\n".join(lines))


MUTATIONS: list[Callable[[str, str, random.Random], str]] = [
    lambda line, _, make: line[: make.randint(0, len(line))],
    lambda _line, name, make: name + make.choice(VALUES),
    lambda line, _, make: f"{line}\n{line}" if make.random() < 0.5 else "",
    lambda line, _, make: line.replace(make.choice(line or " "), make.choice("\t:{}[]'\"&*!|>%@`#\n\0\ud800 ")),
    lambda line, _, make: " " * make.randint(0, 4) + line.strip(),
]


# ── Earlier catalogues ─────────────────────────────────────────────────────────────────────────────────────────


def test_what_vanished_still_counts_and_what_was_retired_does_not() -> None:
    before = parse(SMALL)
    less = parse(SMALL[: SMALL.index("- id: TEC-01")])
    assert set(less.checks) == {"risk.current"}
    assert set(less.with_history([before]).checks) == {"risk.current", "names.single"}
    lighter = parse(SMALL.replace("weight: 9", "weight: 1").replace("gate: true", "gate: false"))
    row = lighter.with_history([before]).by_id["ADM-01"]
    assert (row.weight, row.gate) == (9, True)
    retired = "  compiled: 2026-11-21\n  retired: [{key: names.single, reason: Another takes its place}]\n"
    gone = parse(swapped("  compiled: 2026-11-21\n", retired, of=SMALL[: SMALL.index("- id: TEC-01")]))
    assert "names.single" not in gone.with_history([before]).checks


def test_nothing_leaves_the_score_by_being_called_proposed() -> None:
    before = parse(SMALL)
    apart = parse(SMALL.replace("type: addressable", "type: proposed"))
    assert apart.with_history([before]).by_id["TEC-01"].kind is Kind.ADDRESSABLE


# ── A process that starts with it ──────────────────────────────────────────────────────────────────────────────

START = """
import sys
from pathlib import Path
import compliance.controls.catalogue as catalogue
catalogue.FILE = Path(sys.argv[1])
import django
django.setup()
"""


def test_a_process_does_not_start_with_a_malformed_one(tmp_path: Path) -> None:
    path = tmp_path / "hipaa_controls.yaml"
    path.write_text(SMALL.replace("weight: 3", "weight: 30").replace("every: live", "every: never"))
    done = subprocess.run(
        [sys.executable, "-c", START, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "ImproperlyConfigured: hipaa_controls.yaml:28: weight" in done.stderr
    assert "hipaa_controls.yaml:33: every" in done.stderr
