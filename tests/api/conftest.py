"""A client of the API: JSON in and out, tokens instead of cookies. What needs the models is imported when used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

if TYPE_CHECKING:
    from compliance.models import User


class Api:
    """One program. `access` and `refresh` are what it was given last."""

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.access = ""
        self.refresh = ""

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, {} if body is None else body, **headers)

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        if self.access:
            headers = {"Authorization": f"Bearer {self.access}"} | headers
        data = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(self.client, method.lower())(f"/api/{path}", headers=headers, **data)

    def password(self, user: User, password: str | None = None) -> Any:
        from tests import cast

        return self.post("auth/login", {"email": user.email, "password": password or cast.PASSWORD})

    def sign_in(self, user: User) -> Api:
        """Both steps; the tokens are kept."""
        from tests import cast

        step = self.password(user).json()
        self.keep(self.post("auth/mfa/verify", {"mfa_token": step["mfa_token"], "code": cast.code_of(user)}))
        return self

    def keep(self, answer: Any) -> Any:
        assert answer.status_code == 200, answer.content
        self.access, self.refresh = answer.json()["access"], answer.json()["refresh"]
        return answer

    def renew(self, refresh: str = "") -> Any:
        return self.post("auth/refresh", {"refresh": refresh or self.refresh})


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def other() -> Api:
    return Api()


@pytest.fixture(autouse=True)
def _no_limits(settings: Any) -> None:
    """Limits have their own tests; here a hundred requests come from one address in seconds."""
    settings.LIMITS = dict.fromkeys(settings.LIMITS, (100_000, 60))


@pytest.fixture(autouse=True)
def _no_failures() -> None:
    """Failed tries are counted in Redis, which outlives a test."""
    from compliance.access import counters

    redis = counters.client()
    if keys := list(redis.scan_iter(f"{counters.PREFIX}*")):
        redis.delete(*keys)
