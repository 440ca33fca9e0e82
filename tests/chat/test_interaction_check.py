"""The check: four results, never "safe"; products are not alerted against themselves; order does not matter."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.interactions import check, release
from chat.interactions.check import check_entries, check_text
from chat.interactions.table import Table
from chat.interactions.types import Alert, Severity

TABLE = Table(release.shipped())
IDS = sorted(TABLE.drugs)


def pairs(report: check.Report) -> set[tuple[str, str]]:
    return {(one.a, one.b) for one in report.found}


def test_an_interaction_has_all_that_an_alert_shows() -> None:
    (found,) = check_entries(TABLE, ["Zocor 40 mg at night", "clarithromycin"]).found
    assert (found.a, found.b) == ("clarithromycin", "simvastatin")
    assert (found.severity, found.interaction.alert) == (Severity.CONTRAINDICATED, Alert.INTERRUPTIVE)
    assert found.interaction.management
    assert found.interaction.sources


def test_none_found_is_said_of_covered_medicines_only() -> None:
    assert check_entries(TABLE, ["atorvastatin", "metformin"]).none_found == (("atorvastatin", "metformin"),)
    uncovered = next(drug.id for drug in TABLE.drugs.values() if not drug.covered and drug.common)
    report = check_entries(TABLE, [uncovered, "metformin"])
    assert (report.not_covered, report.none_found, report.found) == ((uncovered,), (), ())


def test_what_is_not_recognised_is_named_with_what_it_may_have_meant() -> None:
    report = check_entries(TABLE, ["warfarin", "blue heart pill", "ВАРФАРИН"])
    assert [one.text for one in report.not_recognised] == ["blue heart pill", "ВАРФАРИН"]
    assert report.none_found == ()


def test_the_parts_of_one_product_are_not_alerted_against_each_other() -> None:
    assert check_entries(TABLE, ["Prinzide"]).found == ()
    apart = check_entries(TABLE, ["lisinopril", "hydrochlorothiazide"])
    assert pairs(apart) == {("hydrochlorothiazide", "lisinopril")}
    with_another = check_entries(TABLE, ["Prinzide", "lithium"])
    assert pairs(with_another) == {("hydrochlorothiazide", "lithium"), ("lisinopril", "lithium")}


def test_an_ingredient_in_two_medicines_is_noted() -> None:
    (twice,) = check_entries(TABLE, ["Percocet", "Tylenol", "warfarin"]).duplicates
    assert (twice.id, twice.names) == ("acetaminophen", ("Percocet", "Tylenol"))
    assert check_entries(TABLE, ["warfarin", "warfarin 5 mg"]).duplicates == ()
    (brand,) = check_entries(TABLE, ["warfarin", "Coumadin"]).duplicates
    assert brand.names == ("Coumadin", "warfarin")


def test_a_class_stands_for_its_members() -> None:
    (found,) = check_text(TABLE, "Can a patient on warfarin take an NSAID?").found
    assert {found.a, found.b} == {"class:nsaid", "warfarin"}
    assert found.severity == Severity.MAJOR
    assert found.among == found.of == len(TABLE.classes["nsaid"].members)


def test_a_list_beside_a_question_is_checked_with_it() -> None:
    assert pairs(check_text(TABLE, "May she have clarithromycin?", ["simvastatin"])) == {
        ("clarithromycin", "simvastatin")
    }


def test_a_question_without_medicines_finds_nothing() -> None:
    report = check_text(TABLE, "Serum potassium 5.9 and calcium 8.1: what now?")
    assert (report.medicines, report.found) == ((), ())


def test_too_many_are_refused_with_their_number() -> None:
    with pytest.raises(check.TooMany) as many:
        check_entries(TABLE, IDS[:200])
    assert (many.value.count, many.value.most) == (200, check.MOST_ENTRIES)
    with pytest.raises(check.TooMany):
        check_text(TABLE, ", ".join(drug for drug in IDS if drug.isalpha())[:4000])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(IDS), min_size=2, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_the_order_of_the_entries_changes_nothing(drugs: list[str], by: random.Random) -> None:
    other = list(drugs)
    by.shuffle(other)
    assert check_entries(TABLE, drugs) == check_entries(TABLE, other)


def test_thirty_medicines_are_four_hundred_and_thirty_five_pairs() -> None:
    common = [drug.id for drug in TABLE.drugs.values() if drug.common and drug.covered][:30]
    report = check_entries(TABLE, common)
    assert len(report.found) + len(report.none_found) == 435
    assert [one.severity.rank for one in report.found] == sorted(
        (one.severity.rank for one in report.found), reverse=True
    )
