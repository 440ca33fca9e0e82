"""A client that holds every answer it gets to the OpenAPI document."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from uuid import uuid4

from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator
from openapi_schema_validator import OAS31Validator

from compliance.access import tokens
from compliance.access.factors import Factor
from compliance.models import User
from tests.api.conftest import Api


class Documented(Api):
    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = super().send(method, path, body, **headers)
        route = re.sub(r"<\w+:(\w+)>", r"{\1}", resolve(f"/api/{path.partition('?')[0]}").route)
        told = _document()["paths"][f"/{route}"][method.lower()]["responses"]
        assert str(answer.status_code) in told, f"{method} {path}: {answer.status_code} {answer.content!r}"
        (media,) = told[str(answer.status_code)]["content"].values()
        whole = media["schema"] | {"components": _document()["components"]}
        assert [one.message for one in OAS31Validator(whole).iter_errors(answer.json())] == []
        return answer

    def put(self, path: str, body: Any) -> Any:
        return self.send("PUT", path, body)


@cache
def _document() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


def signed_in(user: User) -> Documented:
    """As after both steps, just now."""
    api = Documented()
    pair = tokens.begin(user, begun_with=uuid4().hex, factor=Factor.APP, source="127.0.0.1", agent="test")
    api.access, api.refresh = pair.access, pair.refresh
    return api
