"""Everybody's training at a glance: by department, module and status, counted by the database in two statements.

The cohort is everybody with an open account who is no program: staff, administrators and executives as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, models
from django.utils import dateformat, timezone

from clinchat.lib import charts, clock
from compliance.access import Action, people
from compliance.models import User
from training.bank.types import SIX
from training.enrolments import RENEW_FROM
from training.models import ModuleVersion

WEEKS: Final = 12
ON_A_PAGE: Final = 50
NO_DEPARTMENT: Final = "-"
"""Stands for people without a department where one is chosen."""


class Status(models.TextChoices):
    """Of one person in one module. Locked comes before what a certificate says, and that before what was begun."""

    PASSED = "passed", "Passed"
    DUE = "due", "Due within 60 days"
    IN_PROGRESS = "progress", "In progress"
    NOT_STARTED = "none", "Not started"
    EXPIRED = "expired", "Expired"
    LOCKED = "locked", "Locked out"


@dataclass(frozen=True)
class Asked:
    """Conditions of the page; empty ones hold for everybody."""

    department: str = ""
    module: str = ""
    status: str = ""
    q: str = ""
    page: int = 1


@dataclass(frozen=True)
class Cell:
    """One module of one person."""

    title: str
    status: Status


@dataclass(frozen=True)
class Row:
    person_id: UUID
    name: str
    department: str
    cells: Sequence[Cell]
    expires: datetime | None

    @property
    def passed(self) -> int:
        return sum(cell.status in {Status.PASSED, Status.DUE} for cell in self.cells)


@dataclass(frozen=True)
class Department:
    """How many people it has, and how many of them passed all modules, have one expired, or are locked out of one."""

    name: str
    people: int
    complete: int
    expired: int
    locked: int

    @property
    def key(self) -> str:
        return self.name or NO_DEPARTMENT


@dataclass(frozen=True)
class Page:
    """One page of the people who fit, and how many fit."""

    rows: Sequence[Row]
    total: int
    number: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // ON_A_PAGE))

    @property
    def has_other_pages(self) -> bool:
        return self.pages > 1

    @property
    def has_previous(self) -> bool:
        return self.number > 1

    @property
    def has_next(self) -> bool:
        return self.number < self.pages

    @property
    def previous_page_number(self) -> int:
        return self.number - 1

    @property
    def next_page_number(self) -> int:
        return self.number + 1


@dataclass(frozen=True)
class Dashboard:
    """Totals, departments and charts are about all whom the viewer reaches; `page` is about those who fit."""

    people: int
    complete: int
    departments: Sequence[Department]
    page: Page
    counts: Mapping[str, Mapping[Status, int]]
    """People by module and status."""
    modules: charts.Bars
    passes: charts.Bars
    titles: Mapping[str, str]
    as_of: datetime


_EACH: Final = ", ".join(f"count(*) FILTER (WHERE status = '{status}')" for status in Status.values)
_SEEN: Final = f"""
    WITH cohort AS (
        SELECT id, name, department FROM compliance_user
        WHERE is_active AND NOT is_service AND (%(whose)s::text IS NULL OR department = %(whose)s AND department <> '')
    ),
    held AS (
        SELECT person_id, slug, max(expires_at) AS expires FROM training_certificate
        WHERE revoked_at IS NULL AND slug <> '' GROUP BY 1, 2
    ),
    turn AS (
        SELECT e.person_id, e.slug, bool_and(a.state = 'graded') AS locked,
            bool_or(a.state <> 'unused')
                OR EXISTS (SELECT FROM training_lessonread r WHERE r.enrolment_id = e.id) AS begun
        FROM training_enrolment e JOIN training_attempt a ON a.enrolment_id = e.id
        WHERE e.completed_at IS NULL AND e.closed_at IS NULL GROUP BY e.id
    ),
    standing AS MATERIALIZED (
        SELECT c.id, m.slug, m.place, held.expires, CASE
            WHEN turn.locked THEN 'locked'
            WHEN held.expires <= %(now)s THEN 'expired'
            WHEN held.expires <= %(soon)s THEN 'due'
            WHEN held.expires IS NOT NULL THEN 'passed'
            WHEN turn.begun THEN 'progress'
            ELSE 'none' END AS status
        FROM cohort c CROSS JOIN unnest(%(slugs)s::text[]) WITH ORDINALITY AS m(slug, place)
        LEFT JOIN held ON held.person_id = c.id AND held.slug = m.slug
        LEFT JOIN turn ON turn.person_id = c.id AND turn.slug = m.slug
    ),
    person AS MATERIALIZED (
        SELECT c.id, c.name, c.department, s.complete, s.expired, s.locked,
            s.fits AND (%(department)s::text IS NULL OR c.department = %(department)s)
                AND (%(q)s::text[] IS NULL OR c.name ILIKE ALL (%(q)s)) AS fits
        FROM cohort c JOIN (
            SELECT id, bool_and(status IN ('passed', 'due')) AS complete,
                bool_or(status = 'expired') AS expired, bool_or(status = 'locked') AS locked,
                %(status)s = '' OR bool_or(status = %(status)s AND (%(module)s = '' OR slug = %(module)s)) AS fits
            FROM standing GROUP BY id
        ) s USING (id)
    ),
    fitting AS (SELECT count(*) AS total FROM person WHERE fits),
    turned AS (
        SELECT total, CASE WHEN total > (%(page)s - 1) * %(most)s THEN %(page)s ELSE 1 END AS page FROM fitting
    ),
    shown AS (
        SELECT id, name, department, row_number() OVER (ORDER BY name, id) AS n FROM person WHERE fits ORDER BY n
        LIMIT %(most)s OFFSET (SELECT (page - 1) * %(most)s FROM turned)
    ),
    line AS (
        SELECT p.id, p.name, p.department, p.n, array_agg(s.status ORDER BY s.place) AS statuses,
            min(s.expires) AS expires
        FROM shown p JOIN standing s USING (id) GROUP BY p.id, p.name, p.department, p.n
    )
    SELECT 'module' AS about, slug AS key, NULL::uuid AS id, NULL AS name, ARRAY[{_EACH}] AS numbers,
        NULL::text[] AS statuses, NULL::timestamptz AS expires
    FROM standing GROUP BY slug
    UNION ALL
    SELECT 'department', department, NULL, NULL, ARRAY[count(*), count(*) FILTER (WHERE complete),
        count(*) FILTER (WHERE expired), count(*) FILTER (WHERE locked)], NULL, NULL
    FROM person GROUP BY department
    UNION ALL
    SELECT 'page', NULL, NULL, NULL, ARRAY[total, page], NULL, NULL FROM turned
    UNION ALL
    SELECT 'person', department, id, name, ARRAY[n], statuses, expires FROM line
"""  # noqa: S608  # words of the code alone
"""Everybody's status in every module is found once; totals are of all of it, and one page is of the people who fit.

A page beyond the last is the first. Conditions on the page say nothing about the totals.
"""


def dashboard(viewer: User, asked: Asked) -> Dashboard:
    """What the viewer may see of the cohort: heads their department, others everybody."""
    now = clock.now()
    whose = None if people.everywhere(viewer, Action.READ_TRAINING) else viewer.department
    titles = ModuleVersion.objects.titles()
    modules, departments, page = _seen(asked, now, whose, titles)
    return Dashboard(
        people=sum(one.people for one in departments),
        complete=sum(one.complete for one in departments),
        departments=departments,
        page=page,
        counts=modules,
        modules=_modules(modules, titles),
        passes=_passes(now, whose),
        titles=titles,
        as_of=now,
    )


def counted() -> int:
    """How many people the dashboard is about for whoever may see everybody."""
    _, departments, _ = _seen(Asked(), clock.now(), None, ModuleVersion.objects.titles())
    return sum(one.people for one in departments)


def _seen(
    asked: Asked, now: datetime, whose: str | None, titles: Mapping[str, str]
) -> tuple[dict[str, dict[Status, int]], list[Department], Page]:
    """People by module and status, the departments, and the page of people in whom what was asked for holds.

    A status is of the module asked for; without a module, of any of them.
    """
    department = None if not asked.department else "" if asked.department == NO_DEPARTMENT else asked.department
    found: dict[str, list[Any]] = {"module": [], "department": [], "page": [], "person": []}
    for about, *row in _rows(
        _SEEN,
        {
            "now": now,
            "soon": now + RENEW_FROM,
            "slugs": list(SIX),
            "whose": whose,
            "department": department,
            "q": [f"%{_plain(word)}%" for word in asked.q.split()] or None,
            "status": asked.status,
            "module": asked.module,
            "page": max(1, asked.page),
            "most": ON_A_PAGE,
        },
    ):
        found[about].append(row)
    numbers = {slug: counted for slug, _, _, counted, *_ in found["module"]}
    counts = {slug: dict(zip(Status, numbers.get(slug, [0] * len(Status)), strict=True)) for slug in titles}
    departments = [Department(name, *counted) for name, _, _, counted, *_ in found["department"]]
    total, number = found["page"][0][3]
    rows = [
        Row(pk, name, of, [Cell(title, Status(one)) for title, one in zip(titles.values(), them, strict=True)], expires)
        for of, pk, name, _, them, expires in sorted(found["person"], key=lambda row: int(row[3][0]))
    ]
    return counts, sorted(departments, key=lambda one: (not one.name, one.name)), Page(rows, total, number)


def _modules(counts: Mapping[str, Mapping[Status, int]], titles: Mapping[str, str]) -> charts.Bars:
    values = [(title, list(counts[slug].values())) for slug, title in titles.items()]
    return charts.bars("People by module and status", [status.label for status in Status], values, first="Module")


def _passes(now: datetime, whose: str | None) -> charts.Bars:
    """Certificates of modules issued in each of the last weeks, the newest last."""
    rows = _rows(
        """
        SELECT floor(extract(epoch FROM %(now)s - c.issued_at) / 604800)::int, count(*)
        FROM training_certificate c JOIN compliance_user u ON u.id = c.person_id
        WHERE c.slug <> '' AND c.issued_at > %(since)s AND c.issued_at <= %(now)s
            AND u.is_active AND NOT u.is_service
            AND (%(whose)s::text IS NULL OR u.department = %(whose)s AND u.department <> '')
        GROUP BY 1
        """,
        {"now": now, "since": now - timedelta(weeks=WEEKS), "whose": whose},
    )
    counts = dict(rows)
    weeks = [
        (dateformat.format(timezone.localtime(now - timedelta(weeks=back + 1)), "M j"), [counts.get(back, 0)])
        for back in reversed(range(WEEKS))
    ]
    return charts.bars("Modules passed in each of the last 12 weeks", ["Passed"], weeks, first="Week from")


def _plain(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def _rows(select: str, given: Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(select, given)
        return list(cursor.fetchall())
