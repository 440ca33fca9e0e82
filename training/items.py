"""How the questions of a module do, from everybody's first attempts: later ones are by people who saw the answers.

The database adds up; what comes here is one row for each question, option and version. Versions in which a question
reads as it does now are put together, so that a question that was mended begins anew.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from training.bank import statistics
from training.bank.statistics import Chosen, Figures, Sums
from training.bank.types import SIX, Item, Kind, Lesson, Module, Option
from training.models import ModuleVersion

MOST_WRONG: Final = 5
"""Wrong options shown for each objective."""
WORTH_TELLING: Final = 0.10
"""Share of those who had the question that has to choose a wrong option before it is a misconception."""
_FIRST: Final = """
    form AS (
        SELECT a.id, a.version_id, a.points::float8 AS total, a.most,
            a.points::float8 / (a.most - 1) AS t, 1 / (a.most - 1)::float8 AS u
        FROM training_attempt a JOIN training_enrolment e ON e.id = a.enrolment_id
        WHERE a.state = 'graded' AND a.number = 1 AND e.kind <> 'change' AND e.slug = %(slug)s AND a.most > 1
    ),
    answered AS (
        SELECT f.id, f.version_id, f.total, f.most, f.t, f.u, w.item, w.given, w.points
        FROM form f JOIN training_answer w ON w.attempt_id = f.id
        WHERE %(item)s::text IS NULL OR w.item = %(item)s
    )
"""
"""Of an answer that got x points the rest of its form is t - x * u: shares of the points of the other questions."""
Place = tuple[int, int]
"""Of an option: which part of the question, and which option of it."""


@dataclass(frozen=True)
class Line:
    """One question in the list."""

    item: Item
    n: int
    figures: Figures | None

    @property
    def flags(self) -> list[str]:
        return [statistics.WORDS[flag] for flag in self.figures.flags] if self.figures else []

    @property
    def suspect(self) -> bool:
        return bool(self.figures and self.figures.suspect)


@dataclass(frozen=True)
class OptionLine:
    text: str
    why: str
    right: bool
    n: int
    share: float


@dataclass(frozen=True)
class Part:
    """What there was to choose from, and how many chose what."""

    words: str
    options: Sequence[OptionLine]


@dataclass(frozen=True)
class OfVersion:
    version: str
    n: int
    difficulty: float
    current: bool


@dataclass(frozen=True)
class Report:
    """Of one module. `reliability` is None while there are too few attempts."""

    version: ModuleVersion
    lines: Sequence[Line]
    attempts: int
    reliability: float | None


@dataclass(frozen=True)
class Misconception:
    """A wrong option that many choose, and the lessons of its objective."""

    item: Item
    option: OptionLine
    lessons: Sequence[Lesson]


@dataclass(frozen=True)
class Counted:
    """What the database added up for a module, by question and version."""

    sums: Mapping[str, Mapping[UUID, Sums]]
    chosen: Mapping[str, Mapping[UUID, Mapping[Place, Chosen]]]


def modules() -> list[ModuleVersion]:
    """Those in force, in their order."""
    found = ModuleVersion.objects.in_force().defer("content")
    return sorted(found, key=lambda one: SIX.index(one.slug) if one.slug in SIX else len(SIX))


def find(key: str) -> tuple[ModuleVersion, Item] | None:
    """The question with this key, of the modules in force."""
    for version in modules():
        for item in version.module.items:
            if item.key == key:
                return version, item
    return None


def report(version: ModuleVersion) -> Report:
    """All questions of the module: those with something wrong first, then those answered most."""
    counted = _counted(version.slug)
    same = _same(version)
    lines = [_line(item, counted, same[item.key]) for item in version.module.items]
    lines.sort(key=lambda line: (not line.suspect, -len(line.flags), line.item.key))
    attempts, reliability = _reliability(version.slug, counted)
    return Report(version, lines, attempts, reliability)


def one(version: ModuleVersion, item: Item) -> tuple[Line, list[Part], list[OfVersion]]:
    """The figures of a question, how many chose what, and how it did in each version of its module."""
    counted = _counted(version.slug, item.key)
    same = _same(version)[item.key]
    line = _line(item, counted, same)
    names = dict(ModuleVersion.objects.filter(slug=version.slug).order_by("loaded_at").values_list("pk", "version"))
    trend = [
        OfVersion(name, sums.n, sums.mean, pk in same)
        for pk, name in names.items()
        if (sums := counted.sums.get(item.key, {}).get(pk)) and sums.n
    ]
    return line, _parts(item, _together(counted, item.key, same), line.n, _typed(version, item, same)), trend


def misconceptions(version: ModuleVersion) -> list[tuple[str, list[Misconception]]]:
    """The wrong options chosen most, by objective, where enough people had the question."""
    module, counted, same = version.module, _counted(version.slug), _same(version)
    found: dict[str, list[Misconception]] = defaultdict(list)
    for item in module.items:
        line = _line(item, counted, same[item.key])
        if line.n < statistics.ENOUGH or item.kind not in {Kind.SINGLE, Kind.MULTIPLE, Kind.CASE}:
            continue
        for part in _parts(item, _together(counted, item.key, same[item.key]), line.n, {}):
            for option in part.options:
                if not option.right and option.share >= WORTH_TELLING:
                    found[item.objective].append(Misconception(item, option, _lessons(module, item)))
    return [
        (objective.text, sorted(found[objective.key], key=lambda one: -one.option.share)[:MOST_WRONG])
        for objective in module.objectives
        if found[objective.key]
    ]


# ── Of one question ────────────────────────────────────────────────────────────────────────────────────────────


def _line(item: Item, counted: Counted, same: Iterable[UUID]) -> Line:
    sums = sum((counted.sums.get(item.key, {}).get(pk, Sums()) for pk in same), Sums())
    if item.kind not in {Kind.SINGLE, Kind.MULTIPLE}:
        return Line(item, sums.n, statistics.figures(sums, {}, right=(), options=0))
    chosen = {number: one for (_, number), one in _together(counted, item.key, same).items()}
    right = [n for n, option in enumerate(item.options) if option.right]
    return Line(item, sums.n, statistics.figures(sums, chosen, right=right, options=len(item.options)))


def _together(counted: Counted, key: str, same: Iterable[UUID]) -> dict[Place, Chosen]:
    found: dict[Place, Chosen] = {}
    for pk in same:
        for place, chosen in counted.chosen.get(key, {}).get(pk, {}).items():
            found[place] = found.get(place, Chosen()) + chosen
    return found


def _parts(item: Item, chosen: Mapping[Place, Chosen], n: int, typed: Mapping[str, int]) -> list[Part]:
    def line(text: str, why: str, right: bool, count: int) -> OptionLine:
        return OptionLine(text, why, right, count, count / n if n else 0.0)

    def options(place: int, them: Sequence[Option]) -> list[OptionLine]:
        return [line(o.text, o.why, o.right, chosen.get((place, k), Chosen()).n) for k, o in enumerate(them)]

    match item.kind:
        case Kind.SINGLE | Kind.MULTIPLE:
            return [Part("", options(0, item.options))]
        case Kind.CASE:
            return [Part(part.question, options(place, part.options)) for place, part in enumerate(item.parts)]
        case Kind.MATCHING:
            rights = [*item.pairs, *item.extra]
            return [
                Part(
                    pair.left,
                    [
                        line(r.right, r.why, k == place, chosen.get((place, k), Chosen()).n)
                        for k, r in enumerate(rights)
                    ],
                )
                for place, pair in enumerate(item.pairs)
            ]
        case Kind.ORDERING:
            return [
                Part(
                    f"In place {place + 1}",
                    [
                        line(step.text, step.why, k == place, chosen.get((place, k), Chosen()).n)
                        for k, step in enumerate(item.steps)
                    ],
                )
                for place in range(len(item.steps))
            ]
        case Kind.NUMERIC:
            why = {number.value: number.why for number in item.numbers}
            value = item.numbers[0].value
            return [Part("", [line(text, why.get(text, ""), text == value, count) for text, count in typed.items()])]


def _lessons(module: Module, item: Item) -> list[Lesson]:
    return [lesson for lesson in module.lessons if item.objective in lesson.objectives]


def _same(version: ModuleVersion) -> dict[str, list[UUID]]:
    """For each question the versions of its module in which it reads as in this one."""
    now = {item.key: item for item in version.module.items}
    same: dict[str, list[UUID]] = {key: [] for key in now}
    for other in ModuleVersion.objects.filter(slug=version.slug).defer("content"):
        for item in other.module.items:
            if now.get(item.key) == item:
                same[item.key].append(other.pk)
    return same


# ── Added up by the database ───────────────────────────────────────────────────────────────────────────────────


def _counted(slug: str, item: str | None = None) -> Counted:
    """Of all questions of the module, or of one. The database adds up those who answered the same."""
    sums: dict[str, dict[UUID, Sums]] = defaultdict(lambda: defaultdict(Sums))
    chosen: dict[str, dict[UUID, dict[Place, Chosen]]] = defaultdict(lambda: defaultdict(dict))
    lists = _lists(slug)
    for key, version, given, points, n, t, u, tt, tu, uu in _rows(
        "SELECT item, version_id, given, points, count(*), sum(t), sum(u), sum(t * t), sum(t * u), sum(u * u) "
        "FROM answered GROUP BY item, version_id, given, points",
        slug,
        item,
    ):
        x = float(points or 0)
        rest = t - x * u
        sums[key][version] += Sums(n, n * x, rest, n * x * x, tt - 2 * x * tu + x * x * uu, x * rest)
        options = json.loads(given) if given else None
        if not isinstance(options, list):
            continue
        of_version = chosen[key][version]
        for number, option in enumerate(options):
            if isinstance(option, int):
                place = (0 if key in lists else number, option)
                of_version[place] = of_version.get(place, Chosen()) + Chosen(n, rest)
    return Counted(sums, chosen)


def _lists(slug: str) -> set[str]:
    """Questions of single and multiple choice: the place in their answer says nothing; of others it names the part."""
    lists: set[str] = set()
    for version in ModuleVersion.objects.filter(slug=slug).defer("content"):
        lists |= {item.key for item in version.module.items if item.kind in {Kind.SINGLE, Kind.MULTIPLE}}
    return lists


def _typed(version: ModuleVersion, item: Item, same: Sequence[UUID]) -> dict[str, int]:
    """The numbers that were entered most."""
    if item.kind is not Kind.NUMERIC:
        return {}
    rows = _rows(
        "SELECT given #>> '{}', count(*) FROM answered WHERE jsonb_typeof(given) = 'string' "
        "AND version_id = ANY(%(same)s) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
        version.slug,
        item.key,
        same=list(same),
    )
    return dict(rows)


def _reliability(slug: str, counted: Counted) -> tuple[int, float | None]:
    every = {key: sum(of.values(), Sums()) for key, of in counted.sums.items()}
    rows = _rows(
        ", question AS (SELECT * FROM unnest(%(keys)s::text[], %(means)s::float8[], %(spreads)s::float8[]) "
        "AS q(item, mean, spread)), "
        "person AS (SELECT a.id, a.total, a.most, sum(q.mean) AS expected, sum(q.spread) AS spread "
        "FROM answered a JOIN question q USING (item) GROUP BY a.id, a.total, a.most) "
        "SELECT count(*), avg(most)::float8, var_pop(total), var_pop(total - expected), "
        "sum(spread) / nullif(sum(most), 0) FROM person",
        slug,
        None,
        keys=list(every),
        means=[one.mean for one in every.values()],
        spreads=[one.variance for one in every.values()],
    )
    attempts, questions, total, adjusted, spread = rows[0]
    if not attempts:
        return 0, None
    return attempts, statistics.reliability(
        attempts=attempts,
        questions=questions,
        total_variance=total,
        adjusted_variance=adjusted,
        item_variance=spread,
    )


def _rows(select: str, slug: str, item: str | None, **more: Any) -> list[Any]:
    """The rows of a statement over `answered`; it may define more before its SELECT."""
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {_FIRST} {select}", {"slug": slug, "item": item, **more})
        return list(cursor.fetchall())
