"""What is counted, who may read it, and that counting never stands in anybody's way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from clinchat.lib import clock
from compliance import metrics
from compliance.access import Action, Role, services
from compliance.access.counters import Unavailable
from tests import cast

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/clinchat.rules.yaml"


@pytest.fixture(autouse=True)
def _nothing_counted_yet(settings: Any) -> None:
    own = redis.Redis.from_url(settings.REDIS_URL)
    if keys := list(own.scan_iter("metrics:*")):
        own.delete(*keys)


@pytest.fixture(autouse=True)
def _waited_for(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may answer late: what is not counted then would be missing here."""
    ours, client = settings.REDIS_URL, metrics._client
    patient = redis.Redis.from_url(ours)
    monkeypatch.setattr(metrics, "_client", lambda url: patient if url == ours else client(url))


def page(text: str) -> dict[str, float]:
    """Samples by name and labels, as Prometheus reads them."""
    return {
        f"{one.name}{''.join(one.labels.values()) and str(sorted(one.labels.values()))}": one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_what_is_counted_adds_up_over_threads_and_is_read_back() -> None:
    before = metrics.read()[metrics.DETECTIONS]["NAME"]
    one, some = {"label": "NAME"}, (metrics.DETECTIONS, {"NAME": 2, "DATE": 3})
    together = [threading.Thread(target=metrics.count, args=(metrics.DETECTIONS,), kwargs=one)]
    together += [threading.Thread(target=metrics.count_many, args=some) for _ in range(9)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    found = metrics.read()[metrics.DETECTIONS]
    assert (found["NAME"] - before, found["DATE"], found["SSN"]) == (19, 27, 0)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("clinchat_no_such_thing", {}),
        (metrics.DETECTIONS, {}),
        (metrics.DETECTIONS, {"label": "Maria Gonzalez"}),
        (metrics.DETECTIONS, {"patient": "NAME"}),
        (metrics.DETECTIONS, {"label": "NAME", "patient": "Maria"}),
        (metrics.FAILURES, {"label": "NAME"}),
        (metrics.SECONDS, {}),
    ],
)
def test_no_text_becomes_a_name_or_a_label(name: str, labels: Any) -> None:
    with pytest.raises(KeyError):
        metrics.count(name, **labels)
    with pytest.raises(KeyError):
        metrics.count_many(name, {"Maria Gonzalez": 1})


def test_the_last_day_forgets_what_is_older(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()

    def counted_at(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)
        metrics.count(metrics.FAILURES)

    for hours in (30, 23, 0):
        counted_at(now - timedelta(hours=hours))
    assert metrics.read()[metrics.FAILURES][""] == 3
    assert metrics.last_day()[metrics.FAILURES][""] == 2
    assert metrics.last_at(metrics.FAILURES) == now
    assert metrics.last_at(metrics.SECONDS) is None


@pytest.fixture
def hanging(settings: Any, tmp_path: Path) -> Iterator[None]:
    """Somebody takes the connection and says nothing."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "r"))
        listening.listen()
        settings.REDIS_URL = f"unix://{tmp_path / 'r'}"
        yield


def test_nobody_waits_for_a_redis_that_hangs(hanging: None) -> None:
    started = time.monotonic()
    metrics.count(metrics.FAILURES)
    metrics.observe(metrics.SECONDS, 0.1)
    assert time.monotonic() - started < 10


def test_without_redis_nothing_fails_and_unknown_is_not_zero(settings: Any, tmp_path: Path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path / 'nobody'}"
    metrics.count(metrics.DETECTIONS, label="NAME")
    for read in (metrics.read, metrics.last_day, lambda: metrics.last_at(metrics.FAILURES), metrics.exposition):
        with pytest.raises(Unavailable):
            read()


# ── /metrics ───────────────────────────────────────────────────────────────────────────────────────────────────

pytestmark = pytest.mark.django_db


def program(*scopes: Action) -> dict[str, str]:
    account = services.create(name="Prometheus")
    account.role_assignments.create(role=Role.SECURITY_OFFICER)
    _, text = services.make_token(account_id=account.pk, name="Server", scopes=scopes, days=1, by=cast.sam())
    return {"Authorization": f"Bearer {text}"}


def test_prometheus_reads_it_with_a_token() -> None:
    metrics.count_many(metrics.DETECTIONS, {"NAME": 4, "MRN": 1})
    metrics.count(metrics.FAILURES)
    for seconds in (0.004, 0.02, 0.02, 30.0):
        metrics.observe(metrics.SECONDS, seconds)
    answer = Client().get("/metrics", headers=program(Action.READ_STATUS))
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = page(answer.content.decode())
    assert found["clinchat_phi_detections_total['NAME']"] == 4
    assert found["clinchat_phi_detections_total['SSN']"] == 0, "a number that appears with its first count is missed"
    assert found["clinchat_phi_detection_failures"] == 1
    assert [found[f"clinchat_phi_masking_seconds_bucket['{le}']"] for le in ("0.005", "0.025", "5.0", "+Inf")] == [
        1,
        3,
        3,
        4,
    ]
    assert found["clinchat_phi_masking_seconds_count"] == 4
    assert found["clinchat_phi_masking_seconds_sum"] == pytest.approx(30.044)


@pytest.mark.parametrize("key", ["otto", "sam", "carol", "ada"])
def test_who_watches_over_the_service_reads_it(client: Client, key: str) -> None:
    assert cast.sign_in(client, getattr(cast, key)()).get("/metrics").status_code == 200


@pytest.mark.parametrize("key", ["alice", "nadia", "dora", "pat", "audra", "mallory"])
def test_others_do_not(client: Client, key: str) -> None:
    answer = cast.sign_in(client, getattr(cast, key)()).get("/metrics")
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")


def test_neither_does_a_stranger_nor_a_token_made_for_something_else() -> None:
    answer = Client().get("/metrics")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="ClinChat"')
    assert Client().get("/metrics", headers={"Authorization": "Bearer cct_x"}).status_code == 401
    assert Client().get("/metrics", headers=program(Action.BLOCK_NETWORKS)).status_code == 403


def test_without_redis_prometheus_is_told_that_nothing_is_known(
    client: Client, monkeypatch: Any, settings: Any
) -> None:
    cast.sign_in(client, cast.otto())
    client.raise_request_exception = False

    def away() -> None:
        raise Unavailable

    monkeypatch.setattr(metrics, "read", away)
    assert client.get("/metrics").status_code == 503


# ── The alerts that come with it ───────────────────────────────────────────────────────────────────────────────


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_the_rules_speak_of_numbers_there_are() -> None:
    found = rules()
    assert {"PHIDetectionSystemFailed", "ClinChatMetricsAbsent"} <= set(found)
    for name, rule in found.items():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, name
        assert any(metric in rule["expr"] for metric in metrics.names()), f"{name} looks at nothing of ours"
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description"} <= set(rule["annotations"])


def test_the_alert_ends_when_the_failures_do() -> None:
    """The source document's `> 0` on a number that only grows would ring for ever after the first failure."""
    assert rules()["PHIDetectionSystemFailed"]["expr"] == "increase(clinchat_phi_detection_failures[5m]) > 0"
