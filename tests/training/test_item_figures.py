"""Figures of questions: they find what is wrong with one, and pages show them from thirty answers on."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from django.test import Client

from compliance import remarks
from compliance.models import Remark, User
from tests import cast
from tests.training import certified, making_oversight
from training import items
from training.bank import packing, statistics
from training.bank.answers import Given
from training.bank.statistics import Chosen, Flag, Sums
from training.bank.types import Item, Kind
from training.models import ModuleVersion

BANK, FORM, PEOPLE = 45, 14, 400
BAD = ("miskeyed", "guessed", "two right")


def simulated(seed: int) -> list[tuple[str, statistics.Figures]]:
    """400 people, each with a form of 14 drawn from 45 questions; nine of these are bad, three of each kind."""
    rng = random.Random(seed)
    kinds = [*BAD * 3, *["good"] * (BANK - 9)]
    steep = [rng.uniform(1.0, 1.8) for _ in kinds]
    hard = [rng.gauss(-1.0, 0.7) for _ in kinds]
    lure = [[rng.uniform(0.5, 1.5) for _ in range(3)] for _ in kinds]
    sums, chosen = [Sums() for _ in kinds], [dict[int, Chosen]() for _ in kinds]
    for _ in range(PEOPLE):
        able = rng.gauss(0, 1)
        form = []
        for n in rng.sample(range(BANK), FORM):
            knows = rng.random() < 1 / (1 + math.exp(-1.7 * steep[n] * (able - hard[n])))
            option = 0 if knows else rng.choices([1, 2, 3], lure[n])[0]
            match kinds[n]:
                case "miskeyed":
                    option = {0: 1, 1: 0}.get(option, option)
                case "guessed":
                    option = rng.randrange(4)
                case "two right" if option == 0 and rng.random() < 0.5:
                    option = 1
            form.append((n, option))
        total = sum(option == 0 for _, option in form)
        for n, option in form:
            x = float(option == 0)
            rest = (total - x) / (FORM - 1)
            sums[n] += Sums(1, x, rest, x * x, rest * rest, x * rest)
            chosen[n][option] = chosen[n].get(option, Chosen()) + Chosen(1, rest)
    found = [statistics.figures(s, c, right=[0], options=4) for s, c in zip(sums, chosen, strict=True)]
    return [(kind, one) for kind, one in zip(kinds, found, strict=True) if one is not None]


def test_bad_questions_are_found_and_good_ones_are_not_suspected() -> None:
    found = [pair for seed in range(12) for pair in simulated(seed)]
    suspected = [kind != "good" for kind, figures in found if figures.suspect]
    bad = [figures.suspect for kind, figures in found if kind != "good"]
    assert sum(suspected) / len(suspected) >= 0.9, "precision"
    assert sum(bad) / len(bad) >= 0.9, "recall"
    flags = {kind: {flag for k, figures in found if k == kind for flag in figures.flags} for kind in BAD}
    assert Flag.MISKEYED in flags["miskeyed"]
    assert Flag.GUESSED in flags["guessed"]
    assert Flag.RIVAL in flags["two right"]


def test_nothing_is_said_below_thirty() -> None:
    assert statistics.figures(Sums(29, 20, 20, 20, 15, 15), {}, right=(), options=0) is None
    assert (
        statistics.reliability(attempts=29, questions=10, total_variance=4, adjusted_variance=4, item_variance=0.2)
        is None
    )


def test_the_same_form_for_all_gives_the_formula_of_the_book() -> None:
    """Kuder and Richardson's 20 for ten questions whose variances are 0.2, and scores with a variance of 6."""
    found = statistics.reliability(attempts=30, questions=10, total_variance=6, adjusted_variance=6, item_variance=0.2)
    assert found == pytest.approx(10 / 9 * (1 - 10 * 0.2 / 6))


# ── Pages ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def version(db: None) -> ModuleVersion:
    """Forty people had the same four single choices; 28 of them chose one wrong option of the last, the abler ones."""
    certified.load_content()
    version = making_oversight.module()
    asked = [item for item in version.module.items if item.kind is Kind.SINGLE][:4]
    option = next(n for n, one in enumerate(asked[3].options) if not one.right)
    people = User.objects.bulk_create(User(email=f"p{n}@x.test", name=f"P {n}") for n in range(40))
    for n, person in enumerate(people):
        chose: dict[str, Given] = {asked[3].key: [option]} if n < 28 else {}
        making_oversight.sat(person, version, items=asked, wrong=n % 3 if n < 28 else 2, chose=chose)
    return version


def last(version: ModuleVersion) -> Item:
    return [item for item in version.module.items if item.kind is Kind.SINGLE][3]


def test_a_miskeyed_question_stands_first_with_what_was_chosen(version: ModuleVersion) -> None:
    bad = last(version)
    report = items.report(version)
    assert (report.lines[0].item, report.attempts) == (bad, 40)
    assert statistics.WORDS[Flag.MISKEYED] in report.lines[0].flags
    line, [part], [of_version] = items.one(version, bad)
    assert sorted(option.n for option in part.options if option.n) == [12, 28]
    assert (line.n, of_version.n, of_version.difficulty) == (40, 40, 12 / 40)
    client = cast.sign_in(Client(), cast.edith())
    remarks.give(
        by=cast.alice(), about=Remark.About.ITEM, subject=bad.key, category=Remark.Category.CONTENT, text="Key is off."
    )
    page = client.get(f"/compliance/training/items/{bad.key}/").content.decode()
    assert "A wrong option is chosen more than the right one" in page
    assert "28 (70%)" in page
    assert "Key is off." in page
    Remark.objects.update(category=Remark.Category.PRIVACY)
    assert "Key is off." not in client.get(f"/compliance/training/items/{bad.key}/").content.decode()
    listed = client.get("/compliance/training/items/?module=hipaa&flag=suspect").content.decode()
    assert bad.key in listed
    wrong = client.get("/compliance/training/items/misconceptions/?module=hipaa").content.decode()
    assert bad.key in wrong
    assert next(one.title for one in version.module.lessons if bad.objective in one.objectives) in wrong


def test_a_question_that_was_mended_begins_anew(version: ModuleVersion) -> None:
    bad = last(version)
    module = version.module
    mended = replace(bad, question=f"{bad.question} Choose the first thing to do.")
    new = replace(module, version="99.0", items=[mended if item == bad else item for item in module.items])
    ModuleVersion.objects.filter(pk=version.pk).update(in_force=False)
    later = ModuleVersion.objects.create(
        slug=module.slug,
        number=1,
        title=module.title,
        version="99.0",
        sha256="x",
        content=packing.pack(new),
        in_force=True,
    )
    lines = {line.item.key: line for line in items.report(later).lines}
    assert (lines[bad.key].n, lines[bad.key].figures) == (0, None)
    assert max(line.n for line in lines.values()) == 40, "of the others earlier answers count"
    assert [one.current for one in items.one(later, mended)[2]] == [False]


def test_only_who_keeps_the_questions_sees_them(version: ModuleVersion) -> None:
    key = last(version).key
    for person, allowed in ((cast.carol(), True), (cast.audra(), True), (cast.dora(), False), (cast.alice(), False)):
        client = cast.sign_in(Client(), person)
        for address in ("items/", f"items/{key}/", "items/misconceptions/"):
            assert client.get(f"/compliance/training/{address}").status_code == (200 if allowed else 403), person.name
    assert cast.sign_in(Client(), cast.carol()).get("/compliance/training/items/no-such/").status_code == 404
