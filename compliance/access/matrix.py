"""The access matrix, read from the code: role by action from the policy, action by address from the views.

Nothing is written down twice. What the views say is taken from their decorators (door, public, the verbs they take);
tests/guards/test_access_matrix.py opens every address as everybody, with every verb, and compares.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from typing import Any, Final

from django.urls import URLPattern, URLResolver, get_resolver

from compliance.access.decisions import rules
from compliance.access.roles import NEEDS_CLEARANCE, POLICY, Action, Role

ADMIN = "admin"
"""Namespace of Django's admin: one door before all of it (compliance.admin_site)."""
APPROVED: Final = Path(__file__).with_name("approved_matrix.json")
"""The matrix as it was approved: whoever changes a door writes it anew (`manage.py access_matrix --approve`), and who
reviews the change approves that. The check rbac.matrix_matches_code compares it with what the portal really does."""


@dataclass(frozen=True, slots=True)
class Route:
    """One address. `action` is what its door asks for; without one, `public` says why it has none."""

    path: str
    name: str
    verbs: tuple[str, ...]
    """Empty where the view takes any."""
    action: Action | None
    public: str
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Who may do one action, and where."""

    action: Action
    roles: frozenset[Role]
    clearance: bool
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple[Row, ...]
    public: tuple[Route, ...]
    admin_pages: int
    objects: tuple[tuple[str, str], ...]
    """Kinds of objects, and whose they are."""


def matrix() -> Matrix:
    """The policy of this process."""
    found = routes()
    pages = [route for route in found if not route.admin]
    rows = tuple(
        Row(action, roles, action in NEEDS_CLEARANCE, tuple(r for r in pages if r.action is action))
        for action, roles in POLICY.items()
    )
    objects = sorted(
        (str(model._meta.verbose_name), _first_paragraph(rule))  # noqa: SLF001  # documented by Django
        for model, rule in rules().items()
    )
    return Matrix(rows, tuple(r for r in pages if r.public), len(found) - len(pages), tuple(objects))


def routes() -> list[Route]:
    """Every address there is, in alphabetical order."""
    return sorted(_walk(get_resolver(), "/", admin=False), key=lambda route: (route.path, route.name))


def _walk(resolver: URLResolver, prefix: str, *, admin: bool) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
        if isinstance(entry, URLResolver):
            yield from _walk(entry, path, admin=admin or entry.namespace == ADMIN)
        elif isinstance(entry, URLPattern):
            view = entry.callback
            action = Action.ADMINISTER if admin else getattr(view, "access_action", None)
            yield Route(path, entry.name or "", verbs(view), action, getattr(view, "access_public", ""), admin)


def verbs(view: Callable[..., Any] | None) -> tuple[str, ...]:
    """The verbs a view takes: Django's require_http_methods and DRF's api_view keep them, each in its own place."""
    cls = getattr(view, "cls", None)
    if cls is not None:
        silent = {"options"} if cls.metadata_class is None else set()
        return tuple(sorted(verb.upper() for verb in cls.http_method_names if verb not in silent))
    while view is not None:
        code = getattr(view, "__code__", None)
        if code is not None and "request_method_list" in code.co_freevars:
            cell = (view.__closure__ or ())[code.co_freevars.index("request_method_list")]
            return tuple(sorted(cell.cell_contents))
        view = getattr(view, "__wrapped__", None)
    return ()


def _first_paragraph(rule: Callable[..., bool]) -> str:
    return " ".join((getdoc(rule) or "").split("\n\n")[0].split())


# ── As data ────────────────────────────────────────────────────────────────────────────────────────────────────


def as_dict() -> dict[str, Any]:
    """Every action with its roles, and every address with its verbs and its door, or why it has none."""
    return {
        "actions": {str(row.action): {"roles": sorted(row.roles), "clearance": row.clearance} for row in matrix().rows},
        "routes": [
            {"path": r.path, "verbs": list(r.verbs), "action": r.action and str(r.action), "public": r.public}
            for r in routes()
        ],
    }


def as_json() -> str:
    return json.dumps(as_dict(), indent=1, ensure_ascii=False) + "\n"


def approved() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(APPROVED.read_text(encoding="utf-8"))
    return found


# ── As a document ──────────────────────────────────────────────────────────────────────────────────────────────


def markdown() -> str:
    """docs/access-matrix.md."""
    return "\n".join(_lines(matrix())) + "\n"


def _lines(found: Matrix) -> Iterator[str]:
    yield from (
        "# Access matrix",
        "",
        "Made by `manage.py access_matrix` from the code; do not edit. A test compares it with the code,",
        "and the code with what every address answers to every role and verb. The same is at `/compliance/matrix/`.",
        "",
        "## Roles and actions",
        "",
        f"| action | {' | '.join(role.label.lower() for role in Role)} |",
        f"| --- |{' :-: |' * len(Role)}",
    )
    for row in found.rows:
        marks = " | ".join("yes" if role in row.roles else "" for role in Role)
        yield f"| `{row.action}`{' *' if row.clearance else ''} | {marks} |"
    yield from (
        "",
        "\\* Training and approval must be complete and in date as well, and an administrator never may. Everything",
        "needs a second factor.",
        "",
        "## Objects",
        "",
        "Beside the action, an object has its own rule. What does not pass it answers as if nothing were there (404).",
        "",
        "| object | who |",
        "| --- | --- |",
    )
    for name, words in found.objects:
        yield f"| {name} | {words} |"
    yield from ("", "## Addresses behind a door", "", "| address | verbs | action |", "| --- | --- | --- |")
    for row in found.rows:
        for route in row.routes:
            yield f"| `{route.path}` | {_verbs(route)} | `{row.action}` |"
    yield f"| `/admin/` and {found.admin_pages - 1} more below it | any | `{Action.ADMINISTER}` |"
    yield from ("", "## Addresses without a door", "", "| address | verbs | why |", "| --- | --- | --- |")
    for route in found.public:
        yield f"| `{route.path}` | {_verbs(route)} | {route.public.removesuffix('.')} |"


def _verbs(route: Route) -> str:
    return ", ".join(route.verbs) or "any"
