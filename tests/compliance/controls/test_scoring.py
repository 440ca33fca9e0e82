"""The score against another one that was written from the catalogue's meta section alone, in fractions."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from math import floor
from typing import Any

import pytest

from compliance.controls import catalogue
from compliance.controls.catalogue import Catalogue, Check, Control, Kind, Mode
from compliance.controls.scoring import Score, Seen, State, score

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTES = {"live": 5, "hourly": 60, "6h": 360, "daily": 1440, "weekly": 10080, "monthly": 43200}


# ── The other one ──────────────────────────────────────────────────────────────────────────────────────────────


def stand(check: Check, seen: Mapping[str, Seen], at: datetime) -> str:
    """error: unknown; stale_after: twice the interval of the check."""
    last = seen.get(check.key)
    if last is None or last.at > at:
        return "error"
    return "stale" if at - last.at > 2 * timedelta(minutes=MINUTES[check.every]) else last.state


def state_of(
    one: Control, seen: Mapping[str, Seen], attested: Mapping[str, datetime], accepted: Mapping[str, str], at: datetime
) -> str:
    """As modes, states, scoring.exception and check_contract of meta say."""
    if one.mode == "not_applicable":
        return "not_applicable" if accepted.get(one.id) == "not_applicable" else "attestation_lapsed"
    stands = {stand(check, seen, at) for check in one.checks}
    signed = one.id in attested and attested[one.id] > at
    bad = next((word for word in ("fail", "error", "stale") if word in stands), "")
    if not bad and not stands and one.mode != "attestation":
        bad = "error"
    if not bad and one.mode in {"hybrid", "attestation"} and not signed:
        bad = "attestation_lapsed"
    if bad and accepted.get(one.id) == "exception" and not one.gate:
        return "exception"
    return bad or ("attested" if one.mode == "attestation" else "pass")


def down(value: Fraction) -> Fraction:
    return Fraction(floor(value * 10), 10)


def average(rows: list[tuple[Control, str]]) -> Fraction:
    credit = {"pass": Fraction(1), "attested": Fraction(1), "exception": Fraction(1, 2)}
    counted = [(one, state) for one, state in rows if state != "not_applicable"]
    weight = sum(one.weight for one, _ in counted)
    earned = sum((one.weight * credit.get(state, Fraction(0)) for one, state in counted), Fraction(0))
    return down(100 * earned / weight) if weight else Fraction(0)


def expected(book: Catalogue, case: Case, at: datetime) -> dict[str, Any]:
    rows = [(one, state_of(one, case.seen, case.attested, case.accepted, at)) for one in book.controls]
    ours = [row for row in rows if row[0].kind != "proposed"]
    gates = [one.id for one, state in ours if one.gate and state not in {"pass", "attested"}]
    uncapped = average(ours)
    stands = [(stand(check, case.seen, at), check) for one in book.controls for check in one.checks]
    known = [check for state, check in stands if state in {"pass", "fail"}]
    return {
        "rows": {one.id: state for one, state in rows},
        "uncapped": float(uncapped),
        "value": float(min(uncapped, Fraction(69)) if gates else uncapped),
        "gates": gates,
        "readiness": float(average([row for row in rows if row[0].kind == "proposed"])),
        "coverage": float(down(Fraction(100 * len(known), len(stands)))) if stands else 0.0,
        "oldest": min((case.seen[check.key].at for check in known), default=None),
    }


# ── Cases ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Case:
    """What was found, signed and accepted."""

    def __init__(self, seen: dict[str, Seen], attested: dict[str, datetime], accepted: dict[str, str]) -> None:
        self.seen, self.attested, self.accepted = seen, attested, accepted

    def score(self, book: Catalogue, at: datetime = NOW) -> Score:
        return score(book, seen=self.seen, attested=self.attested, accepted=self.accepted, at=at)


BIG = catalogue.load(catalogue.FILE)


def small(make: random.Random) -> Catalogue:
    """A catalogue of a few rows with anything in it."""
    controls = []
    for number in range(make.randint(1, 7)):
        mode = make.choice(list(Mode))
        many = make.randint(1, 3) if mode in {Mode.AUTOMATED, Mode.HYBRID} else 0
        checks = tuple(Check(f"c{number}.k{one}", make.choice(list(MINUTES)), "", "") for one in range(many))
        controls.append(
            Control(
                id=f"ADM-{number:02}",
                cfr=("164",),
                title="",
                kind=make.choice([Kind.REQUIRED, Kind.REQUIRED, Kind.INTERNAL, Kind.PROPOSED]),
                mode=mode,
                weight=0 if mode is Mode.NOT_APPLICABLE else make.randint(1, 10),
                gate=make.random() < 0.3,
                text="",
                checks=checks,
                duty=None,
            )
        )
    return Catalogue(1, "", "0" * 64, "", tuple(controls), frozenset())


def case_of(book: Catalogue, make: random.Random, *, good: float) -> Case:
    seen, attested, accepted = {}, {}, {}
    for one in book.controls:
        for check in one.checks:
            age = timedelta(minutes=make.choice((0, 0.5, 1, 1.9, 2, 2)) * MINUTES[check.every])
            if make.random() > good:
                age = make.choice((-age, age + timedelta(microseconds=1), 3 * age))
            state = "pass" if make.random() < good else make.choice(("fail", "error"))
            if make.random() < good + 0.1:
                seen[check.key] = Seen(state, NOW - age, "d")
        if make.random() < good:
            attested[one.id] = NOW + make.choice((-DAY, timedelta(0), timedelta(microseconds=1), DAY, DAY, DAY))
        if one.mode is Mode.NOT_APPLICABLE or make.random() < 0.3:
            accepted[one.id] = make.choice(("exception", "not_applicable"))
    return Case(seen, attested, accepted)


def seen_by(found: Score) -> dict[str, Any]:
    return {
        "rows": {row.control: str(row.state) for row in found.rows},
        "uncapped": found.uncapped,
        "value": found.value,
        "gates": list(found.failing_gates),
        "readiness": found.readiness,
        "coverage": found.coverage,
        "oldest": found.oldest,
    }


def test_both_come_to_the_same() -> None:
    make = random.Random(9)
    for number in range(2_500):
        book = BIG if number % 20 == 0 else small(make)
        case = case_of(book, make, good=make.choice((0.2, 0.7, 0.95, 1)))
        found = case.score(book)
        assert seen_by(found) == expected(book, case, NOW), number
        assert found.compliant == (not found.failing_gates)


def test_everything_in_order_is_a_hundred_and_nothing_at_all_is_nothing() -> None:
    seen = {key: Seen("pass", NOW, "d") for key in BIG.checks}
    signed = {one.id: NOW + DAY for one in BIG.controls}
    out = {one.id: "not_applicable" for one in BIG.controls if one.mode is Mode.NOT_APPLICABLE}
    best = Case(seen, signed, out).score(BIG)
    assert (best.value, best.uncapped, best.readiness, best.coverage, best.compliant) == (100, 100, 100, 100, True)
    worst = Case({}, {}, {}).score(BIG)
    assert (worst.value, worst.uncapped, worst.readiness, worst.coverage, worst.oldest) == (0, 0, 0, 0, None)
    assert len(worst.failing_gates) == 18


# ── Nothing is won by looking away ─────────────────────────────────────────────────────────────────────────────


def turned_off(book: Catalogue, case: Case, key: str, make: random.Random) -> Catalogue:
    case.seen.pop(key, None)
    return book


def emptied(book: Catalogue, case: Case, key: str, make: random.Random) -> Catalogue:
    """It looked at nothing: an error, of now."""
    case.seen[key] = Seen("error", NOW, "d")
    return book


def aged(book: Catalogue, case: Case, key: str, make: random.Random) -> Catalogue:
    last = case.seen.get(key)
    if last is not None:
        case.seen[key] = replace(last, at=min(last.at, NOW) - timedelta(minutes=make.randint(1, 90_000)))
        if last.at > NOW:  # what came from the future counted for nothing
            case.seen.pop(key)
    return book


def into_the_future(book: Catalogue, case: Case, key: str, make: random.Random) -> Catalogue:
    last = case.seen.get(key)
    if last is not None:
        case.seen[key] = replace(last, at=NOW + timedelta(minutes=make.randint(1, 90_000)))
    return book


def deleted(book: Catalogue, case: Case, key: str, make: random.Random) -> Catalogue:
    """Out of the catalogue, and with it whatever was left without a check; results are still there, or not."""
    if make.random() < 0.5:
        case.seen.pop(key, None)
    rows = []
    for one in book.controls:
        checks = tuple(check for check in one.checks if check.key != key)
        if checks or not one.checks:
            rows.append(replace(one, checks=checks))
        elif make.random() < 0.5:  # its row stays, and somebody signs instead
            rows.append(replace(one, checks=(), mode=Mode.ATTESTATION, weight=1, gate=False))
    return replace(book, controls=tuple(rows), sha256="1" * 64).with_history([book])


def called_proposed(book: Catalogue, case: Case, key: str, make: random.Random) -> Catalogue:
    rows = (
        replace(one, kind=Kind.PROPOSED) if any(check.key == key for check in one.checks) else one
        for one in book.controls
    )
    return replace(book, controls=tuple(rows), sha256="1" * 64).with_history([book])


WAYS = (turned_off, emptied, aged, into_the_future, deleted, called_proposed)


def figures(found: Score) -> tuple[float, ...]:
    return (found.value, found.uncapped, found.readiness, found.coverage)


def test_looking_away_never_raises_a_figure() -> None:
    """10,000 cases. Coverage of what was emptied does not rise either: an error is no result."""
    make = random.Random(164_308)
    tried = {way.__name__: 0 for way in WAYS}
    for number in range(10_000):
        book = BIG if number % 50 == 0 else small(make)
        if not book.checks:
            continue
        case = case_of(book, make, good=make.choice((0.5, 0.9, 1)))
        before = case.score(book)
        way = WAYS[number % len(WAYS)]
        after = case.score(way(book, case, make.choice(list(book.checks)), make))
        if way is called_proposed:
            # rows that are scored apart already stay there; nothing leaves the score
            assert figures(after)[:2] == figures(before)[:2], number
        assert all(b <= a for a, b in zip(figures(before), figures(after), strict=True)), (number, way.__name__)
        assert set(before.failing_gates) <= set(after.failing_gates), (number, way.__name__)
        tried[way.__name__] += 1
    assert min(tried.values()) > 1_000


def test_all_of_it_together_neither() -> None:
    make = random.Random(2)
    for _ in range(500):
        book = small(make)
        case = case_of(book, make, good=0.9)
        last = figures(case.score(book))
        for key in list(book.checks):
            book = make.choice((turned_off, deleted, emptied))(book, case, key, make)
            now = figures(case.score(book))
            assert all(b <= a for a, b in zip(last, now, strict=True))
            last = now


# ── One rule at a time ─────────────────────────────────────────────────────────────────────────────────────────


@cache
def row(mode: Mode = Mode.AUTOMATED, *, gate: bool = False, weight: int = 1, kind: Kind = Kind.REQUIRED) -> Control:
    checks = (Check("a.b", "daily", "", ""),) if mode in {Mode.AUTOMATED, Mode.HYBRID} else ()
    return Control("ADM-01", ("164",), "", kind, mode, weight, gate, "", checks, None)


def book_of(*rows: Control) -> Catalogue:
    return Catalogue(
        1, "", "0" * 64, "", tuple(replace(one, id=f"ADM-{n:02}") for n, one in enumerate(rows)), frozenset()
    )


def one(control: Control, state: str = "", *, age: timedelta = DAY, signed: bool = False, accepted: str = "") -> Score:
    return score(
        book_of(control),
        seen={"a.b": Seen(state, NOW - age, "d")} if state else {},
        attested={"ADM-00": NOW + DAY} if signed else {},
        accepted={"ADM-00": accepted} if accepted else {},
        at=NOW,
    )


@pytest.mark.parametrize("state", ["", "fail", "error"])
def test_an_exception_never_helps_a_gate(state: str) -> None:
    for kind in ("exception", "not_applicable"):
        found = one(row(gate=True), state, accepted=kind)
        assert (found.value, found.compliant) == (0, False)
    assert one(row(), state, accepted="exception").value == 50
    assert one(row(), state, accepted="not_applicable").value == 0


def test_a_gate_that_is_not_kept_caps_at_69_whatever_the_average() -> None:
    book = book_of(row(gate=True, weight=1), *[replace(row(weight=10), checks=(Check("c.d", "daily", "", ""),))] * 9)
    seen = {"a.b": Seen("fail", NOW, "d"), "c.d": Seen("pass", NOW, "d")}
    found = score(book, seen=seen, attested={}, accepted={}, at=NOW)
    assert (found.value, found.uncapped, found.failing_gates) == (69, 98.9, ("ADM-00",))
    seen["a.b"] = Seen("pass", NOW, "d")
    assert score(book, seen=seen, attested={}, accepted={}, at=NOW).value == 100


def test_a_result_counts_for_twice_its_interval_and_not_a_moment_longer() -> None:
    assert one(row(), "pass", age=2 * DAY).value == 100
    late = one(row(), "pass", age=2 * DAY + timedelta(microseconds=1))
    assert (late.value, late.coverage, late.rows[0].state, late.oldest) == (0, 0, State.STALE, None)


def test_a_result_from_the_future_counts_for_nothing() -> None:
    found = one(row(), "pass", age=-timedelta(microseconds=1))
    assert (found.value, found.coverage, found.rows[0].state) == (0, 0, State.ERROR)
    assert one(row(), "pass", age=timedelta(0)).value == 100


def test_hybrid_needs_both_and_a_signature_lapses_by_itself() -> None:
    hybrid = row(Mode.HYBRID)
    assert one(hybrid, "pass", signed=True).value == 100
    assert one(hybrid, "pass").rows[0].state == State.LAPSED
    assert one(hybrid, "fail", signed=True).value == 0
    ends = score(book_of(row(Mode.ATTESTATION)), seen={}, attested={"ADM-00": NOW}, accepted={}, at=NOW)
    assert (ends.value, ends.rows[0].state) == (0, State.LAPSED)


def test_rows_of_the_proposed_rule_stand_apart() -> None:
    book = book_of(
        row(), replace(row(kind=Kind.PROPOSED, gate=True, weight=9), checks=(Check("n.p", "daily", "", ""),))
    )
    found = score(book, seen={"a.b": Seen("pass", NOW, "d")}, attested={}, accepted={}, at=NOW)
    assert (found.value, found.readiness, found.compliant, found.coverage) == (100, 0, True, 50)


def test_it_is_rounded_down() -> None:
    """8 of 9 weights are 88.888…; 2 of 3 are 66.66…; 1 of 1000 checks missing is not all of them."""
    book = book_of(replace(row(weight=8), checks=(Check("c.d", "daily", "", ""),)), row(weight=1))
    found = score(book, seen={"c.d": Seen("pass", NOW, "d")}, attested={}, accepted={}, at=NOW)
    assert found.value == 88.8
    many = book_of(*(replace(row(), checks=(Check(f"a.k{n}", "daily", "", ""),)) for n in range(2_000)))
    seen = {key: Seen("pass", NOW, "d") for key in list(many.checks)[1:]}
    found = score(many, seen=seen, attested={}, accepted={}, at=NOW)
    assert (found.value, found.coverage) == (99.9, 99.9)


def test_oldest_is_that_of_what_counts() -> None:
    book = book_of(row(), replace(row(), checks=(Check("c.d", "daily", "", ""),)))
    seen = {"a.b": Seen("pass", NOW - DAY, "d"), "c.d": Seen("pass", NOW - 9 * DAY, "d")}
    assert score(book, seen=seen, attested={}, accepted={}, at=NOW).oldest == NOW - DAY


def test_what_is_published_beside_it() -> None:
    sent = one(row(), "pass").as_dict()
    assert {"score", "coverage", "rows_by_state", "oldest_evidence", "catalogue_sha256", "code_version"} <= set(sent)
    assert sum(sent["rows_by_state"].values()) == 1
