"""No line says which address was asked for: a name in one has no words around it by which it could be masked."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from compliance.logs.masking import LEFT_OUT
from tests import cast

NAME = "zebulon"
ADDRESS = f"/patients/{NAME}-quixworth/?q={NAME}"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, err = capsys.readouterr()
    assert NAME not in (out + err).casefold()
    return [json.loads(line) for line in err.splitlines()]


def bad_line() -> Exception:
    errors = import_module("gunicorn.http.errors")
    error: Exception = errors.InvalidRequestLine(f"GET {ADDRESS} nonsense")
    return error


@pytest.mark.parametrize("wrong", [bad_line, lambda: RuntimeError(ADDRESS)])
def test_what_the_web_server_says_of_a_request(
    wrong: Callable[[], Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    """gunicorn's own words, made by its own worker."""
    base, glogging = import_module("gunicorn.workers.base"), import_module("gunicorn.glogging")
    said = SimpleNamespace(
        warning=logging.getLogger("gunicorn.error").warning,
        exception=logging.getLogger("gunicorn.error").exception,
        access=lambda *_: None,
    )
    assert glogging.Logger
    worker = SimpleNamespace(log=said, cfg=import_module("gunicorn.config").Config())
    request = SimpleNamespace(uri=ADDRESS, method="GET")
    try:
        raise wrong()
    except Exception as error:  # noqa: BLE001  # as its worker does
        with suppress(AttributeError):  # there is no client to answer
            base.Worker.handle_error(worker, request, None, ("192.0.2.1", 1), error)
    (line,) = lines(capsys)
    assert LEFT_OUT in line["message"]


def test_what_django_says_of_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("django.anything").warning("Not good: %s", ADDRESS)
    logging.getLogger("django.anything").warning(f"Not good: {ADDRESS}")  # noqa: G004
    assert [line["message"] for line in lines(capsys)] == [LEFT_OUT] * 2


@pytest.mark.django_db
def test_requests_that_go_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    alice = cast.sign_in(Client(raise_request_exception=False), cast.alice())
    strict.post(f"/signin/password/{NAME}/", {"x": NAME})
    for client in (strict, alice):
        client.get(ADDRESS)
        client.get(f"/library/?q={NAME}", headers={"Host": f"{NAME}.example", "Referer": f"https://x.example{ADDRESS}"})
        client.get(f"/library/{NAME}/", headers={"X-Forwarded-For": NAME})
        client.post("/ask/", b"%zz" * 400_000, content_type="application/x-www-form-urlencoded")
        client.post("/api/security/block-ip", f'{{"reason": "{NAME}"', content_type="application/json")
        client.get(f"/compliance/audit/?object_id={NAME}&{NAME}={NAME}")
    lines(capsys)
