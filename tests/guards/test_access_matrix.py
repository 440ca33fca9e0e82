"""The access matrix holds: every address answers every role and every verb as it says, and its document is its output.

Everybody is signed in with both factors. What an address does when it is open is the business of other tests; here
counts who gets past the door, with which verb, and that what belongs to somebody else answers as if it were not there.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from compliance.access import matrix
from compliance.access.matrix import Route
from compliance.access.roles import CLINICAL, NEEDS_CLEARANCE, POLICY, Action, Role
from compliance.models import User
from tests import cast, undoing
from tests.guards.test_event_matrix import PEOPLE, things

ROOT = Path(__file__).parents[2]
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
THOROUGH = ("alice",)
"""Who tries every verb. One that an address does not take is refused whoever sends it, and HEAD and OPTIONS go where
GET goes, so the others try what an address takes, and of the admin two verbs."""
EXAMPLES = {"uuid": str(uuid.uuid4()), "day": "2026-11-21", "str": "x", "path": "x", "slug": "x"}
EXAMPLES |= {"control": "ADM-02", "check": "vuln.sla"}
OWN = {"conversation_id": "conversation", "turn_id": "turn"}
"""Arguments that name something of alice's; everybody else gets 404."""


def everybody() -> dict[str, User]:
    """The cast, and the one role it lacks."""
    people = {key: getattr(cast, key)() for key in PEOPLE}
    del people["bob"]  # whatever he may, alice and dora may
    return people


def address(path: str, made: dict[str, Any]) -> str:
    """A route with something in the place of each argument; regular expressions are the admin's own."""
    path = re.sub(r"\(\?P<app_label>.*\)", "compliance", path)
    path = re.sub(r"\(\?P<\w+>.*\)", "nothing-here", path)
    for converter, name in re.findall(r"<(?:(\w+):)?(\w+)>", path):
        value = str(made[OWN[name]]) if name in OWN else EXAMPLES[converter or "str"]
        path = re.sub(rf"<(?:\w+:)?{name}>", value, path)
    return path


NARROWER = {("api-snapshots", "POST"): Action.MAKE_SNAPSHOTS}
"""Verbs that fewer people may use than the door of their address lets in."""


def may(user: User, route: Route, verb: str = "GET") -> bool:
    """What the matrix says, worked out here from the two tables alone."""
    action = NARROWER.get((route.name, verb), route.action)
    return action is None or _may(user, action)


@cache
def _may(user: User, action: Action) -> bool:
    """Asked a hundred times of each; a person made anew for another test is somebody else."""
    held = {Role(role) for role in user.role_assignments.values_list("role", flat=True)}
    cleared = action not in NEEDS_CLEARANCE or (user.clearances.exists() and Role.ADMIN not in held)
    return cleared and not held.isdisjoint(POLICY[action])


def expected(route: Route, user: User, verb: str, *, let_in: bool) -> set[int] | None:
    """The statuses that fit; None where the address is open and says what it likes."""
    taken = not route.verbs or verb in route.verbs
    if not let_in:
        return {403} if taken else {403, 405}
    if not taken:
        return {405}
    if route.admin:
        return {200, 302, 403, 404, 405, 400}  # Django's own say of each table, under the door
    if any(f"<uuid:{name}>" in route.path for name in OWN) and user.email != "alice@clinchat.example":
        return {404}
    return None


def answer(visitor: Client, signed_in: Client, verb: str, path: str) -> tuple[int, str]:
    """Status and where it leads. The visitor is as it was before."""
    visitor.cookies.clear()
    visitor.cookies.update(signed_in.cookies)
    response = visitor.generic(verb, path)
    if response.streaming:
        response.getvalue()
    return response.status_code, response.headers.get("Location", "")


def tried(route: Route, person: str) -> list[str]:
    """The verbs that a person tries at an address."""
    if person in THOROUGH:
        return list(VERBS)
    return [verb for verb in VERBS if verb in (route.verbs or ("GET", "POST")) and verb not in {"HEAD", "OPTIONS"}]


def surprises(routes: list[Route], client: Client, person: str, made: dict[str, Any]) -> Iterator[str]:
    user = everybody()[person]
    visitor = Client()  # one for all requests: making one reads the whole middleware
    undone = undoing.Undoing()
    for route in routes:
        path = address(route.path, made)
        for verb in tried(route, person):
            let_in = may(user, route, verb)
            with undone():
                status, leads = answer(visitor, client, verb, path)
            fits = expected(route, user, verb, let_in=let_in)
            if fits is None and (status in {401, 403, 405} or status >= 500):
                yield f"{verb} {path}: {status}, but the matrix lets {user.name} in"
            if fits is not None and status not in fits:
                yield f"{verb} {path}: {status} for {user.name}, expected {sorted(fits)}"
            if verb == "GET" and route.action is not None and leads.split("?")[0] == "/signin/":
                yield f"{verb} {path}: {user.name} is signed in and was sent to sign in"


@pytest.fixture
def made(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    settings.LIMITS = {kind: (100_000, seconds) for kind, (_, seconds) in settings.LIMITS.items()}
    monkeypatch.setattr("compliance.views.errors.render_to_string", lambda *_, **__: "")  # five thousand of them
    monkeypatch.setattr("clinchat.lib.sse.connections.close_all", lambda: None)  # it has the test's transaction
    undoing.touch_seldom(monkeypatch)
    return things(cast.alice())


@pytest.mark.parametrize("person", [key for key in PEOPLE if key != "bob"])
def test_every_address_answers_this_person_with_every_verb_as_the_matrix_says(
    person: str, made: dict[str, Any]
) -> None:
    client = cast.sign_in(Client(), everybody()[person])
    routes = matrix.routes()
    assert len(routes) > 60
    found = list(surprises(routes, client, person, made))
    assert not found, "\n".join(found)


def test_every_role_is_somebodys(db: None) -> None:
    held = {role for user in everybody().values() for role in user.roles}
    assert held == set(Role)
    assert set(CLINICAL) <= held


def test_the_document_is_what_the_command_prints() -> None:
    text = (ROOT / "docs/access-matrix.md").read_text()
    assert text == matrix.markdown(), "make it again: manage.py access_matrix > docs/access-matrix.md"


def test_every_view_that_is_not_the_admins_names_its_verbs() -> None:
    silent = [route.path for route in matrix.routes() if not route.admin and not route.verbs]
    assert not silent, "say which verbs it takes: require_safe, require_POST, require_http_methods or api_view"
