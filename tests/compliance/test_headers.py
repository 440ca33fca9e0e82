"""Headers of every kind of answer, and the content policies of portal and admin to the letter (ASVS 5.0 V3.4)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as portal
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import clear_url_caches, include, path, reverse, set_urlconf

from compliance.access import public
from tests import cast
from tests.compliance.closed import give_password, make_conversation
from tests.factories import make_user

pytestmark = pytest.mark.django_db

ADMIN_POLICY = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "connect-src": "'self'",
    "font-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "img-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "report-uri": "/csp/",
}
POLICY = ADMIN_POLICY | {"require-trusted-types-for": "'script'", "trusted-types": "'none'"}
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@public("A view of the tests that always fails")
def failing(request: HttpRequest, name: str) -> HttpResponse:
    raise {"500": RuntimeError, "503": OperationalError}[name]


urlpatterns = [path("fails/<slug:name>/", failing), path("", include("clinchat.urls"))]
handler400 = "compliance.views.errors.bad_request"
handler403 = "compliance.views.errors.forbidden"
handler404 = "compliance.views.errors.not_found"
handler500 = "compliance.views.errors.server_error"


@pytest.fixture(autouse=True)
def _urls(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    monkeypatch.setattr("clinchat.lib.sse.connections.close_all", lambda: None)  # it has the test's transaction
    clear_url_caches()
    set_urlconf(None)
    yield
    clear_url_caches()


def carried(answer: Any) -> dict[str, str]:
    return {name: answer.headers.get(name, "") for name in HEADERS}


def policy(answer: Any) -> dict[str, str]:
    """The content policy as a table; each directive stands in it once."""
    directives = [one.strip().partition(" ") for one in answer["Content-Security-Policy"].split(";")]
    assert len({name for name, _, _ in directives}) == len(directives)
    return {name: value for name, _, value in directives}


def visitor() -> Client:
    return Client(raise_request_exception=False)


def signed_in(person: Callable[[], Any] = cast.alice) -> Client:
    return cast.sign_in(visitor(), person())


def stream() -> Any:
    turn = make_conversation(cast.alice()).turns.get()
    answer = signed_in().get(reverse("answer-events", args=[turn.pk]))
    assert answer.streaming
    answer.getvalue()
    return answer


def picture() -> Any:
    client = visitor()
    give_password(client, make_user(password=cast.PASSWORD))
    return client.get(reverse("signin-setup-qr"))


def download() -> Any:
    answer = signed_in(cast.audra).post(reverse("audit-export"), {"format": "csv"})
    assert "attachment" in answer["Content-Disposition"]
    return answer


def csrf() -> Any:
    return Client(enforce_csrf_checks=True).post("/signin/", {})


def json(client: Client, address: str, body: Any, **more: Any) -> Any:
    return client.post(address, body, **{"content_type": "application/json"} | more)


KINDS: dict[str, tuple[int, Callable[[], Any]]] = {
    "page": (200, lambda: signed_in().get("/settings/")),
    "page for anybody": (200, lambda: visitor().get("/status/")),
    "sign-in": (200, lambda: visitor().get("/signin/")),
    "picture": (200, picture),
    "stream": (200, stream),
    "download": (200, download),
    "answer of the API": (200, lambda: visitor().get("/api/health")),
    "nothing to say": (204, lambda: json(visitor(), "/csp/", {})),
    "redirect to sign in": (302, lambda: visitor().get("/settings/")),
    "redirect after a form": (302, lambda: signed_in().post("/settings/appearance/", {"theme": "dark"})),
    "redirect to a slash": (301, lambda: visitor().get("/status")),
    "another host": (400, lambda: visitor().get("/signin/", headers={"Host": "evil.example"})),
    "refused by the API": (401, lambda: visitor().get("/api/auth/verify")),
    "bad token": (401, lambda: visitor().get("/api/auth/verify", headers={"Authorization": "Bearer x"})),
    "closed door": (403, lambda: signed_in().get("/compliance/people/")),
    "closed admin": (403, lambda: signed_in().get("/admin/")),
    "form without its token": (403, csrf),
    "not found": (404, lambda: visitor().get("/no-such-page/")),
    "not found, signed in": (404, lambda: signed_in().get(f"/ask/{uuid.uuid4()}/")),
    "not found in the API": (404, lambda: visitor().get("/api/no-such-thing")),
    "no static file": (404, lambda: visitor().get("/static/nothing.js")),
    "wrong verb": (405, lambda: visitor().put("/signin/")),
    "wrong verb for the API": (405, lambda: visitor().delete("/api/health")),
    "too large": (413, lambda: visitor().post("/csp/", b"x" * 20_000, content_type="application/json")),
    "not JSON": (415, lambda: json(visitor(), "/api/auth/login", "a=b", content_type="text/plain")),
    "fault": (500, lambda: visitor().get("/fails/500/")),
    "database lost": (503, lambda: visitor().get("/fails/503/")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_answer_carries_them(kind: str) -> None:
    status, ask = KINDS[kind]
    answer = ask()
    assert answer.status_code == status
    assert carried(answer) == HEADERS
    assert policy(answer) == POLICY
    assert answer["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in answer, "not over plain HTTP"


def test_too_many_requests_carries_them(settings: Any) -> None:
    settings.LIMITS = settings.LIMITS | {"api": (1, 60)}
    client = signed_in()
    assert client.get("/api/auth/verify").status_code == 200
    answer = client.get("/api/auth/verify")
    assert (answer.status_code, carried(answer)) == (429, HEADERS)
    assert (policy(answer), answer["Cache-Control"]) == (POLICY, "no-store")


def test_blocked_network_gets_them() -> None:
    from compliance.models import NetworkBlock

    assert visitor().get("/signin/", REMOTE_ADDR="203.0.113.9").status_code == 200
    NetworkBlock.objects.create(network="203.0.113.0/24", reason="Test", made_by=cast.sam())
    from compliance.access import epoch, networks

    epoch.bump()
    epoch._Seen.at = networks._known.told_at = float("-inf")
    answer = visitor().get("/signin/", REMOTE_ADDR="203.0.113.9")
    assert (answer.status_code, carried(answer)) == (403, HEADERS)
    assert (policy(answer), answer["Cache-Control"]) == (POLICY, "no-store")


def test_the_admin_has_its_own_policy_and_the_rest() -> None:
    answer = signed_in(cast.ada).get("/admin/")
    assert answer.status_code == 200
    assert policy(answer) == ADMIN_POLICY
    assert carried(answer) == HEADERS
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("conditional", [False, True], ids=["file", "not modified"])
def test_static_files_carry_them_and_may_be_kept(settings: Any, tmp_path: Any, conditional: bool) -> None:
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    client = visitor()
    answer = client.get("/static/logo.svg")
    if conditional:
        answer = client.get("/static/logo.svg", headers={"If-None-Match": answer["ETag"]})
    assert answer.status_code == (304 if conditional else 200)
    assert carried(answer) == HEADERS
    assert policy(answer) == POLICY
    assert "max-age" in answer["Cache-Control"]


@pytest.fixture
def tls(settings: Any) -> None:
    """As CLINCHAT_TLS sets it."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 3600
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True


@pytest.mark.parametrize("address", ["/signin/", "/settings/", "/no-such-page/", "/api/health", "/fails/500/"])
@pytest.mark.usefixtures("tls")
def test_over_tls_the_browser_is_told_to_stay_there(address: str) -> None:
    answer = visitor().get(address, secure=True)
    assert answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"


@pytest.mark.usefixtures("tls")
def test_over_tls_plain_http_only_leads_there_and_probes_are_answered() -> None:
    answer = visitor().get("/signin/?next=/settings/")
    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/signin/?next=/settings/")
    assert carried(answer) == HEADERS
    assert (policy(answer), answer["Cache-Control"]) == (POLICY, "no-store")
    assert visitor().get("/api/health").status_code == 200
    elsewhere = visitor().get("/signin/", headers={"Host": "evil.example"})
    assert (elsewhere.status_code, carried(elsewhere)) == (400, HEADERS)
    assert policy(elsewhere) == POLICY


def test_production_settings_turn_it_on() -> None:
    """What the fixture above sets is what the settings module derives from CLINCHAT_TLS."""
    text = (portal.BASE_DIR / "clinchat/settings.py").read_text()
    assert "SECURE_SSL_REDIRECT = TLS" in text
    assert "SECURE_HSTS_SECONDS = 365 * 24 * 3600 if TLS else 0" in text
    assert "SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = TLS" in text
