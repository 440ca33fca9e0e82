"""Browsers report blocked content; only the directive and the origin are kept."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db


def report(client: Client, caplog: pytest.LogCaptureFixture, body: Any) -> tuple[int, list[str]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with caplog.at_level(logging.WARNING, logger="clinchat.csp"):
        answer = client.post(reverse("csp-report"), raw, content_type="application/csp-report")
    return answer.status_code, [record.getMessage() for record in caplog.records if record.name == "clinchat.csp"]


def test_old_report_format(caplog: pytest.LogCaptureFixture) -> None:
    body = {
        "csp-report": {
            "document-uri": "https://clinchat.example/library/?q=Zebulon+Quixworth",
            "effective-directive": "img-src",
            "blocked-uri": "https://user:pw@evil.example:8443/pixel?mrn=77-31-9",
            "script-sample": "Zebulon",
        }
    }
    strict = Client(enforce_csrf_checks=True)
    assert report(strict, caplog, body) == (204, ["Content blocked by img-src: https://evil.example:8443"])
    assert "Zebulon" not in caplog.text
    assert "77-31-9" not in caplog.text


def test_new_report_format(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    body = [{"type": "csp-violation", "body": {"effectiveDirective": "script-src-elem", "blockedURL": "inline"}}]
    assert report(client, caplog, body) == (204, ["Content blocked by script-src-elem: inline"])


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"\xff\xfe", b"[]", b"3", b'"text"', b'{"csp-report": 3}', b"[[]]", b"[" * 9000],
    ids=["empty", "text", "binary", "list", "number", "string", "wrong", "nested", "deep"],
)
def test_nonsense_is_ignored(client: Client, caplog: pytest.LogCaptureFixture, body: bytes) -> None:
    assert report(client, caplog, body) == (204, [])


def test_values_cannot_write_lines_of_their_own(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    body = {"csp-report": {"effective-directive": "x\nERROR forged", "blocked-uri": "http://a\r\nERROR forged"}}
    _, (line,) = report(client, caplog, body)
    assert "\n" not in line
    assert "\r" not in line


@pytest.mark.parametrize("typed", ["Zebulon", "zebulon:x", "https://[Zebulon", "https://zebulon quixworth/x", 5])
def test_of_anything_else_nothing_is_kept(client: Client, caplog: pytest.LogCaptureFixture, typed: object) -> None:
    body = {"csp-report": {"effective-directive": typed, "blocked-uri": typed}}
    assert report(client, caplog, body) == (204, ["Content blocked by unknown: unknown"])


def test_large_report_is_refused(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert report(client, caplog, b" " * 20_000) == (413, [])


def test_only_post(client: Client) -> None:
    assert client.get(reverse("csp-report")).status_code == 405
