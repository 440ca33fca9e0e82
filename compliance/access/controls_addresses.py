"""Checks that go to every address there is: who gets in, with what, and what the answer says about being kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.contrib.staticfiles import finders

from compliance.access import matrix
from compliance.access.decisions import allows
from compliance.access.matrix import Route
from compliance.access.roles import NEEDS_CLEARANCE, Action, Role
from compliance.controls import canary, visits
from compliance.controls.registry import CannotLook, Found, check
from compliance.controls.results import word
from compliance.models import User

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

    from compliance.controls.canary import Canary

SAMPLED: Final = 4
"""Addresses each role is tried with beside what the policy says: as many it may open as it may not."""
NO_FORMS: Final = {
    "csp-report": "a browser sends it without any session; it changes nothing but a line of the log",
    "api-login": "it opens nothing by a session: both factors are in its body",
    "api-second-factor": "as above",
    "api-refresh": "its token is in its body",
    "api-logout": "its token is in its body",
    "api-certificate-verify": "it reads what is in its body, for anybody",
}
"""Addresses that need no token of a form, and why: what a browser sends by itself opens nothing there."""
TOO_SLOW: Final = {"api-drug-table-health": "it proves the whole table each time"}
"""Answers http.no_store does without, of more than a hundred that pass the same middleware."""
STORES: Final = re.compile(r"\b(?:localStorage|sessionStorage|indexedDB|caches\.open)\b|document\.cookie\s*=")
"""Ways of a script to keep something in the browser."""
OWN_SCRIPTS: Final = "ui/"
"""Scripts that pages load, apart from Django's admin; rest_framework ships some that no page does."""
MARKER: Final = "Zebulonia Marktesterin"


# ── The matrix ─────────────────────────────────────────────────────────────────────────────────────────────────


@check("rbac.matrix_matches_code", seconds=30)
def matrix_matches_code() -> Found:
    """The matrix that was approved against the doors of this process, its decisions, and its answers.

    Every address is opened as nobody and by a canary without any role; some as each role. Read where it can be read,
    else with a form of ours that says nothing; what that does is undone. visits.NOT_OPENED says what is not opened.
    """
    wanted, found = matrix.approved(), matrix.as_dict()
    failing = [f"approved is: {name}" for name in _differences(wanted, found)]
    routes = [route for route in matrix.routes() if route.name not in visits.NOT_OPENED]
    closed = [route for route in routes if not _approved_public(wanted, route)]
    with visits.apart("rbac.matrix_matches_code"):
        failing += [f"open to nobody: {path}" for path in _opened(canary.client(), closed)]
        person = canary.person(can_type=False)
        failing += [f"open without a role: {path}" for path in _opened(person.client, closed)]
        decided, wrong = _decisions(wanted, person)
        failing += wrong
        failing += _as_each_role(wanted, person, closed)
    observed = f"{len(routes)} addresses opened twice, {decided} decisions; {len(failing)} not as approved"
    evidence = {"addresses": len(found["routes"]), "opened": len(routes), "closed": len(closed), "decisions": decided}
    return Found(not failing, observed, len(routes) + decided + len(failing), [*map(word, failing)], evidence)


def _differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """What of the doors is not as it was approved, by action and address."""
    for action in sorted({*wanted["actions"], *found["actions"]}):
        if wanted["actions"].get(action) != found["actions"].get(action):
            yield f"another {action}"
    before, after = _by_place(wanted), _by_place(found)
    for place in sorted({*before, *after}):
        if before.get(place) != after.get(place):
            yield f"{'another' if place in before and place in after else 'no' if place in after else 'still'} {place}"


def _by_place(one: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Verbs, action and openness of what is found at each address."""
    found: dict[str, list[Any]] = {}
    for route in one["routes"]:
        found.setdefault(route["path"], []).append([sorted(route["verbs"]), route["action"], bool(route["public"])])
    return found


def _approved_public(wanted: Mapping[str, Any], route: Route) -> bool:
    """Whether it was approved that the address has no door. What the code says of itself does not count here."""
    return any(one["public"] and one["path"] == route.path for one in wanted["routes"])


def _opened(client: Client, routes: list[Route]) -> Iterator[str]:
    """Those of the addresses that answer with success."""
    limited = 0
    for route in routes:
        path, verb = visits.address(route), visits.verb_of(route)
        status = _status(client, verb, path)
        limited += status == 429
        if status < 300:
            yield route.path
    if limited:
        raise CannotLook(f"a limit was reached at {limited} addresses")


def _status(client: Client, verb: str, path: str) -> int:
    response = client.get(path) if verb == "GET" else visits.send(client, verb, path)
    if response.streaming:
        response.close()
    return int(response.status_code)


def _decisions(wanted: Mapping[str, Any], person: Canary) -> tuple[int, list[str]]:
    """Every action for every role, without clearance and with it, as the one function decides that is asked."""
    number, wrong = 0, []
    for cleared in (False, True):
        for role in Role:
            _becomes(person.user, role, cleared=cleared)
            somebody = _as_request(person.user)
            for action in Action:
                known = wanted["actions"].get(str(action), {"roles": [], "clearance": True})
                if cleared and not known["clearance"]:
                    continue  # decided already
                may = str(role) in known["roles"] and (not known["clearance"] or (cleared and role != Role.ADMIN))
                number += 1
                if allows(somebody, action) is not may:
                    wrong.append(f"{role} {'may' if not may else 'may not'} {action}{' when cleared' * cleared}")
    return number, wrong


def _becomes(user: User, role: Role, *, cleared: bool) -> None:
    """The canary holds this role alone, for a moment."""
    user.role_assignments.all().delete()
    user.clearances.all().delete()
    canary.give(user, [role], cleared=cleared)


def _as_request(user: User) -> User:
    """The person as a request shows them after both factors."""
    somebody = User.objects.get(pk=user.pk)
    vars(somebody)["otp_device"] = somebody
    return somebody


def _as_each_role(wanted: Mapping[str, Any], person: Canary, closed: list[Route]) -> list[str]:
    """Some addresses as each role: those it may not open refuse it, those it may do not."""
    wrong: list[str] = []
    pages = [r for r in closed if not r.admin and r.action and visits.verb_of(r) == "GET" and "<" not in r.path]
    for role in Role:
        _becomes(person.user, role, cleared=False)
        own = [r for r in pages if str(role) in wanted["actions"].get(str(r.action), {"roles": []})["roles"]]
        others = [r.path for r in pages if r not in own][:SAMPLED]
        wrong += [f"open to {role}: {path}" for path in others if _status(person.client, "GET", path) != 403]
        first = [r.path for r in own if r.action not in NEEDS_CLEARANCE][:1]
        wrong += [f"shut to {role}: {path}" for path in first if _status(person.client, "GET", path) in {401, 403}]
    return wrong


# ── With a password alone ──────────────────────────────────────────────────────────────────────────────────────


@check("mfa.enforced_everywhere", seconds=30)
def second_factor_everywhere() -> Found:
    """Every address as a canary with all roles who has shown a password and no second factor.

    Their session is signed in as Django's own would be after a password. What was approved as open to anybody is open
    to them as well, with the pages that choose a new password by a link and those of the second step among it.
    """
    wanted = matrix.approved()
    opened = [route for route in matrix.routes() if route.name not in visits.NOT_OPENED]
    routes = [route for route in opened if not _approved_public(wanted, route)]
    with visits.apart("mfa.enforced_everywhere"):
        person = canary.person(verified=False, can_type=False)
        canary.give(person.user, list(Role), cleared=True)
        failing = [*map(word, _opened(person.client, routes))]
    admin = sum(route.admin for route in routes)
    observed = f"{len(failing)} of {len(routes)} addresses answer a session without a second factor"
    return Found(not failing, observed, len(routes), failing, {"addresses": len(routes), "admin": admin})


# ── Forms of others ────────────────────────────────────────────────────────────────────────────────────────────


@check("session.csrf_origin", seconds=30)
def csrf_and_origin() -> Found:
    """Every address that changes something, without a form's token and then with one from a page of somebody else.

    The canary holds every role, so that nothing but the token refuses it; NO_FORMS says where none is needed.
    """
    failing, tried = [], 0
    with visits.apart("session.csrf_origin"):
        person = canary.person(can_type=False)
        for admin in (False, True):
            _becomes_everything(person.user, administrator=admin)
            for route in _changing(admin=admin):
                path, verb = visits.address(route), _verb(route)
                tried += 1
                without = visits.send(person.client, verb, path, token=False)
                foreign = visits.send(person.client, verb, path, HTTP_ORIGIN="https://elsewhere.invalid")
                if not _refused(without):
                    failing.append(f"without a token: {route.path} {without.status_code}")
                if not _refused(foreign):
                    failing.append(f"from elsewhere: {route.path} {foreign.status_code}")
    observed = f"{2 * tried - len(failing)} of {2 * tried} forged requests refused at {tried} addresses"
    return Found(
        not failing, observed, 2 * tried, [*map(word, failing)], {"addresses": tried, "no_forms": [*sorted(NO_FORMS)]}
    )


def _changing(*, admin: bool) -> list[Route]:
    return [
        route
        for route in matrix.routes()
        if route.admin is admin
        and route.name not in NO_FORMS
        and route.name not in visits.NOT_OPENED
        and (not route.verbs or not visits.READS.issuperset(route.verbs))
    ]


def _verb(route: Route) -> str:
    return "POST" if not route.verbs or "POST" in route.verbs else next(v for v in route.verbs if v not in visits.READS)


def _refused(response: HttpResponse) -> bool:
    """403 for want of a token; an address that takes no such verb after all has nothing to refuse."""
    return response.status_code in {403, 405}


def _becomes_everything(user: User, *, administrator: bool) -> None:
    """Every role but the administrator's, which the clinical ones do not go with; or that one alone."""
    user.role_assignments.all().delete()
    user.clearances.all().delete()
    roles = [Role.ADMIN] if administrator else [role for role in Role if role != Role.ADMIN]
    canary.give(user, roles, cleared=not administrator)


# ── What is kept of an answer ──────────────────────────────────────────────────────────────────────────────────


@check("http.no_store", seconds=30)
def no_store() -> Found:
    """Every address that is read, as somebody signed in with every role: the header, the title, and our scripts.

    No browser runs here. What one could keep is looked at where it would come from instead: a script that is served
    and writes to the browser's storage, a title or an address that holds the words of a marked account. The test
    suite looks into a real browser's storage as well (tests/browser).
    """
    failing, opened = [], 0
    with visits.apart("http.no_store"):
        person = canary.person(can_type=False)
        User.objects.filter(pk=person.user.pk).update(name=MARKER)
        for admin in (False, True):
            _becomes_everything(person.user, administrator=admin)
            for route in _read(admin=admin):
                response = person.client.get(visits.address(route))
                opened += response.status_code == 200
                failing += [f"{what}: {route.path}" for what in _kept(response)]
                if response.streaming:
                    response.close()
    scripts = _scripts()
    failing += [f"keeps something in the browser: {name}" for name, text in scripts.items() if STORES.search(text)]
    if not opened or not scripts:
        raise CannotLook("no page was open, or no script was found")
    number = sum(len(_read(admin=admin)) for admin in (False, True))
    observed = f"{number} answers and {len(scripts)} scripts, {opened} of them pages that opened; {len(failing)} wrong"
    evidence = {"answers": number, "opened": opened, "scripts": len(scripts)}
    return Found(not failing, observed, number + len(scripts) + len(failing), [*map(word, failing)], evidence)


def _read(*, admin: bool) -> list[Route]:
    """Addresses that are read; of the admin, what each of its tables answers with is made by the same few views."""
    return [
        route
        for route in matrix.routes()
        if route.admin is admin
        and route.name not in {*visits.NOT_OPENED, *TOO_SLOW}
        and (not route.verbs or "GET" in route.verbs)
        and (not admin or "<" not in route.path)
    ]


def _kept(response: Any) -> Iterator[str]:
    """What of an answer a browser would keep though it should not."""
    if "no-store" not in response.headers.get("Cache-Control", ""):
        yield "no Cache-Control: no-store"
    if MARKER.split()[0] in response.headers.get("Location", ""):
        yield "a name in the address"
    if response.streaming:
        return
    title = re.search(rb"<title>(.*?)</title>", response.content, re.DOTALL)
    if title and MARKER.encode() in title[1]:
        yield "a name in the title"


def _scripts() -> dict[str, str]:
    """Every script of ours that is served."""
    found = {}
    for finder in finders.get_finders():
        for name, storage in finder.list(ignore_patterns=[]):
            if name.endswith(".js") and name.startswith(OWN_SCRIPTS):
                found[name] = Path(storage.path(name)).read_text(encoding="utf-8")
    return found
