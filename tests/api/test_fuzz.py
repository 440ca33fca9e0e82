"""Strange input everywhere: over the OpenAPI document, and into every form. Nothing of ours fails on it (no 5xx)."""

from __future__ import annotations

import json
import random
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.test import Client
from django.urls import get_resolver, reverse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from compliance.access import Action, Role, counters, services, tokens
from compliance.access.factors import Factor
from compliance.models import RoleAssignment, User
from tests import cast, undoing
from tests.guards import test_event_matrix as matrix
from tests.guards.rows import PUBLIC, Row

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
)
BOUNDED = settings(
    max_examples=6,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
EXAMPLES = {"sam": 6, "a program": 4}
REFUSED = 2
"""Of each operation for people nearly all doors are closed to: what comes after the door is not reached."""

UNSENDABLE: set[tuple[str, Any]] = set()
"""Operations, and the ways of sending, of which whoever tries most found no request. It takes hypothesis hundreds of
tries to give up, the same ones whoever asks, and who comes later would make fewer of them."""


# ── Over the OpenAPI document ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Requests through WSGI share the connection of the test, as those of Django's test client do."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def bearer_for(user: User) -> str:
    pair = tokens.begin(user, begun_with=uuid4().hex, factor=Factor.APP, source="127.0.0.1", agent="fuzz")
    return f"Bearer {pair.access}"


def program() -> str:
    account, sam = services.create(name=f"Fuzz {uuid4().hex}"), cast.sam()
    RoleAssignment.objects.give(user=account, role=Role.SECURITY_OFFICER)
    _, text = services.make_token(account_id=account.pk, name="x", scopes=services.DELEGABLE, days=1, by=sam)
    return f"Bearer {text}"


@pytest.mark.usefixtures("one_connection")
@pytest.mark.parametrize("who", ["sam", "a program", "nobody", "mallory"])  # who tries most comes first: UNSENDABLE
def test_the_api_keeps_to_its_document(who: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import schemathesis
        from schemathesis import checks as known
        from schemathesis.generation import GenerationMode

        schemathesis.openapi  # noqa: B018  # registers its checks
        reader = bearer_for(cast.alice())
        schema = schemathesis.openapi.from_wsgi(
            "/api/schema/", get_wsgi_application(), headers={"Authorization": reader, "Host": "localhost"}
        )
        schema.config.generation.with_security_parameters = False  # who asks is said here
        checks = known.CHECKS.get_by_names(list(CHECKS))
        seen: dict[str, set[int]] = {}
        token = token_of(who)
        for found in schema.get_all_operations():
            operation = found.ok()  # type: ignore[union-attr]  # an operation it cannot read fails the test
            for mode in GenerationMode:

                @settings(BOUNDED, max_examples=EXAMPLES.get(who, REFUSED))
                @given(case=operation.as_strategy(generation_mode=mode))
                def one(case: Any) -> None:
                    headers = {"Host": "localhost"} | ({"Authorization": token()} if token else {})
                    with transaction.atomic():
                        answer = case.call(headers=headers)
                        transaction.set_rollback(True)
                    case.validate_response(answer, checks=checks)
                    seen.setdefault(case.operation.label, set()).add(answer.status_code)

                if (operation.label, mode) in UNSENDABLE:
                    continue
                try:
                    one()
                except Unsatisfiable:  # what takes nothing cannot be sent wrong
                    UNSENDABLE.add((operation.label, mode))
    assert len(seen) >= 10, seen
    assert not [label for label, statuses in seen.items() if max(statuses) >= 500], seen
    if who == "sam":
        assert all(200 in seen[label] for label in ("GET /api/auth/verify", "POST /api/auth/revoke-all-sessions")), seen


def token_of(who: str) -> Callable[[], str] | None:
    """One and the same for each request of a person or program: what it does to its own token is undone."""
    if who == "nobody":
        return None
    token = program() if who == "a program" else bearer_for(getattr(cast, who)())
    return lambda: token


# ── Into every form ────────────────────────────────────────────────────────────────────────────────────────────

STRANGE: list[str] = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\ufffe\u202e\u200b",
    "x" * 20_000,
    "é" * 300,
    "0",
    "-1",
    "1e400",
    "NaN",
    "9" * 400,
    "true",
    "null",
    "[]",
    '{"a": 1}',
    "2026-02-30",
    "0001-01-01",
    "9999-12-31",
    "2026-11-21T25:61",
    "00000000-0000-0000-0000-000000000000",
    "not-a-uuid",
    "../../etc/passwd",
    "//evil.example/",
    "javascript:alert(1)",
    "<script>alert(1)</script>",
    "'; DROP TABLE compliance_user; --",
    "%s %d {0} {{ x }} {% x %}",
    "0.0.0.0/0",
    "::ffff:127.0.0.1",
    "a@b",
    "admin",
    "123456",
]
RAW = {
    "no boundary": ("multipart/form-data", b"x"),
    "cut off": ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\nx'),
    "a file": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="name"; filename="x"\r\n\r\nx\r\n--b--\r\n',
    ),
    "not UTF-8": ("application/x-www-form-urlencoded", b"name=%ff%fe&email=%80&code=\xff"),
    "odd charset": ("application/x-www-form-urlencoded; charset=utf-16", b"name=a&email=b"),
    "too many fields": ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(1100))),
    "too large": ("application/x-www-form-urlencoded", b"name=" + b"a" * (1024 * 1024 + 1)),
    "JSON": ("application/json", b'{"name": []}'),
    "no type": ("", b"name=a"),
}


@cache
def field_names() -> list[str]:
    """Every name a request is asked for, from the templates, forms and views of this project."""
    controls = r'<(?:input|select|textarea|button)[^>]* name="(\w+)"'
    fields = r"^    (\w+)(?:: [\w.\[\]]+)? = (?:forms\.)?\w*(?:Field|_password)\("
    taken = r'request\.(?:POST|GET)\.(?:get|getlist)\("(\w+)"'
    texts = [p.read_text() for p in (ROOT / "templates").rglob("*.html")]
    texts += [p.read_text() for folder in ("compliance", "chat", "training") for p in (ROOT / folder).rglob("*.py")]
    return sorted({name for how in (controls, fields, taken) for t in texts for name in re.findall(how, t, re.M)})


def who_may(action: Action | None, people: dict[str, User]) -> str:
    found = [key for key, user in people.items() if matrix.may(key, user, action)]
    return "alice" if "alice" in found or not found else found[0]


class Places:
    """Every address that is no view of the API, each with somebody who may open it; and their requests."""

    def __init__(self) -> None:
        views = matrix.addresses(get_resolver())
        people = {key: getattr(cast, key)() for key in matrix.PEOPLE}
        made = matrix.things(people["alice"])
        self.visitor = Client(raise_request_exception=False)  # one: making one reads the whole middleware
        self.cookies = {key: cast.sign_in(Client(), user).cookies for key, user in people.items()}
        self.all: list[tuple[str, str, str, Row]] = []
        for name, row in matrix.MATRIX.items():
            if not name.startswith("api-"):
                address = reverse(name, kwargs={k: made[v] for k, v in row.arguments.items()})
                key = row.own or who_may(getattr(views[name], "access_action", None), people)
                self.all.append((name, address, key, row))
        self.undone = undoing.Undoing()
        for address in ("user/add/", "user/", "clearance/add/", "clearance/", "auditevent/"):
            self.all.append((f"admin {address}", f"/admin/compliance/{address}", "ada", PUBLIC))
        self.all.append(("admin login", "/admin/login/", "ada", PUBLIC))

    def send(self, key: str, method: str, address: str, data: Any, content_type: str | None = None) -> int:
        """The status of one request by a signed-in person; whatever it did is undone."""
        self.visitor.cookies.clear()
        self.visitor.cookies.update(self.cookies[key])
        with self.undone():
            given = {} if content_type is None else {"content_type": content_type}
            answer = getattr(self.visitor, method)(address, data, **given)
        return int(answer.status_code)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setattr("clinchat.lib.sse.connections.close_all", lambda: None)  # it has the test's transaction
    undoing.touch_seldom(monkeypatch)
    return Places()


def forget() -> None:
    redis = counters.client()
    if keys := list(redis.scan_iter(f"{counters.PREFIX}*")):
        redis.delete(*keys)


def test_no_form_fails_on_strange_values(places: Places) -> None:
    names, dice = field_names(), random.Random(20261121)
    assert {"email", "password", "code", "question", "theme", "network", "role", "scopes", "next"} <= set(names)
    failed, statuses = [], []
    for name, address, key, row in places.all:
        forget()
        fields: list[dict[str, Any]] = [{field: dice.choice(STRANGE) for field in names} for _ in range(2)]
        fields += [dict.fromkeys(names, value) for value in dice.sample(STRANGE, 2)]
        fields += [(row.post or {}) | {field: dice.choice(STRANGE)} for field in row.post or {}]
        fields += [{}, {field: ["1", "2"] for field in names}]
        taken = True
        for number, data in enumerate(fields):
            for method in ("post", "get") if number < 2 else ("post",):
                if method == "post" and not taken:
                    continue  # the verb was refused before anybody looked at what came with it
                status = places.send(key, method, address, {f: v for f, v in data.items() if encodable(v)})
                statuses.append(status)
                taken = taken and not (method == "post" and status == 405)
                if status >= 500:
                    failed.append(f"{status} {method} {name} by {key}: {shown(data)}")
    assert len(statuses) > 500
    assert {200, 302, 405} <= set(statuses)
    assert not failed, "\n".join(failed[:40])


def test_no_form_fails_on_a_strange_body(places: Places) -> None:
    """Each address gets every third body, each body every third address: how a body is read does not depend on both."""
    failed = []
    for turn, (what, (content_type, body)) in enumerate(RAW.items()):
        forget()
        for name, address, key, _ in places.all[turn % 3 :: 3]:
            if (status := places.send(key, "post", address, body, content_type)) >= 500:
                failed.append(f"{status} {name}: {what}")
    assert not failed, "\n".join(failed)


@settings(BOUNDED, max_examples=60)
@given(data=st.data())
def test_no_form_fails_on_any_text(places: Places, data: st.DataObject) -> None:
    """Hypothesis chooses; a failure it finds is shrunk to the value that matters."""
    name, address, key, row = data.draw(st.sampled_from(places.all), label="page")
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    fields = data.draw(st.dictionaries(st.sampled_from(field_names()), text, max_size=6), label="fields")
    method = data.draw(st.sampled_from(["post", "get"]))
    assert places.send(key, method, address, (row.post or {}) | fields) < 500, f"{name} as {key}"


def encodable(value: Any) -> bool:
    """A lone surrogate cannot be sent as UTF-8; RAW sends bytes that are none."""
    return "\ud800" not in value


def shown(data: dict[str, Any]) -> str:
    return json.dumps({k: str(v)[:20] for k, v in data.items()})[:600]
