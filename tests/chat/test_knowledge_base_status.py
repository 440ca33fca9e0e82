"""How the knowledge base is doing, for whoever watches over it: real numbers, at the API and for Prometheus."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from chat import index_proof, knowledge_base, releases
from chat.corpus import vectors
from chat.corpus.ingest import ingest
from chat.llm import encoders
from chat.models import (
    Calibration,
    Collection,
    Conversation,
    Document,
    DocumentVersion,
    EmbeddingIndex,
    Evaluation,
    IndexProof,
    Turn,
    Upload,
)
from clinchat.lib import clock
from compliance import health, metrics
from compliance.access import Action, Role
from compliance.access import services as programs
from tests import cast
from tests.chat import labelled
from tests.factories import make_user

pytestmark = pytest.mark.django_db
ADDRESS = "/api/admin/knowledge-base/status"
RULES = Path(__file__).parents[2] / "deploy/prometheus/clinchat.rules.yaml"


@pytest.fixture
def collection(db: None) -> Collection:
    return labelled.drugs()


def status(client: Client) -> dict[str, Any]:
    answer = cast.sign_in(client, cast.otto()).get(ADDRESS)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def numbers(client: Client) -> dict[str, float]:
    answer = cast.sign_in(client, cast.otto()).get("/metrics")
    assert answer.status_code == 200
    return {
        f"{one.name}{''.join(one.labels.values()) and str(sorted(one.labels.values()))}": one.value
        for family in text_string_to_metric_families(answer.content.decode())
        for one in family.samples
    }


@pytest.mark.parametrize(("key", "code"), [("otto", 200), ("sam", 200), ("carol", 200), ("ada", 200), ("edith", 403)])
def test_who_watches_over_the_service_sees_it(client: Client, key: str, code: int) -> None:
    assert cast.sign_in(client, getattr(cast, key)()).get(ADDRESS).status_code == code
    assert Client().get(ADDRESS).status_code == 401


def test_a_program_with_that_scope_sees_it() -> None:
    account = programs.create(name="Monitoring")
    account.role_assignments.create(role=Role.OPERATOR)
    _, text = programs.make_token(account_id=account.pk, name="t", scopes=[Action.READ_STATUS], days=1, by=cast.sam())
    assert Client().get(ADDRESS, headers={"Authorization": f"Bearer {text}"}).status_code == 200


def test_an_installation_without_documents(client: Client) -> None:
    found = status(client)
    assert (found["status"], found["problems"], found["last_update"]) == ("ok", [], None)
    assert (found["collections"], found["embedding"], found["proof"], found["calibration"]) == ([], [], None, None)
    assert numbers(client)["clinchat_knowledge_base_passages"] == 0
    assert "clinchat_knowledge_base_last_update" not in numbers(client), "never is not the year 1970"


def test_what_is_searched_since_when(client: Client, collection: Collection) -> None:
    before = clock.now()
    labelled.load(collection, labelled.source("brevoxil", "Brevoxil is given at night."))
    releases.withdraw(documents=[Document.objects.get(external_id="etorazol")], reason="Recalled.", by=make_user())
    ingest(sources=[labelled.source("foradine", "Foradine is new.")], collection=collection)
    found = status(client)
    assert before <= datetime.fromisoformat(found["last_update"]) <= clock.now()
    assert found["documents"] == {
        "total": 5,
        "versions": {
            "draft": 0,
            "in_review": 0,
            "approved": 1,
            "published": 3,
            "superseded": 1,
            "withdrawn": 1,
            "discarded": 0,
        },
    }
    (one,) = found["collections"]
    assert (one["name"], one["release"], one["documents"], one["passages"]) == ("drugs", 3, 3, 3)
    assert one["published_at"] == found["last_update"]
    assert len(one["manifest_sha256"]) == 64
    (index,) = found["embedding"]
    assert index == {
        "model": encoders.names()[0],
        "dimensions": 384,
        "state": "active",
        "vectors": 5,
        "waiting": 1,
        "installed": True,
    }
    assert (found["passages"], found["bytes"]["vectors"] > 0) == (3, True)


def test_what_somebody_should_look_after(client: Client, collection: Collection) -> None:
    versions = DocumentVersion.objects.filter(status="published")
    versions.filter(document__external_id="brevoxil").update(
        review_by=clock.now().date() - timedelta(days=1), owner="Pharmacy", licence="CC0"
    )
    versions.filter(document__external_id="carduline").update(review_by=clock.now().date(), licence="CC0")
    (one,) = status(client)["collections"]
    assert (one["review_overdue"], one["without_licence"], one["without_owner"]) == (1, 2, 3)
    assert (one["without_clinical_review"], one["questions"], one["evaluation"]) == (4, 0, None)


def test_the_last_evaluation_calibration_and_proof(client: Client, collection: Collection) -> None:
    model = vectors.active().model
    figures: dict[str, Any] = {
        "collection": collection,
        "questions_sha256": "0" * 64,
        "answerable": 4,
        "unanswerable": 2,
        "recall": 1,
        "declined_wrongly": 0.25,
        "declined_rightly": 1,
        "quotes": 9,
        "quotes_wrong": 0,
        "model": model,
    }
    Evaluation.objects.create(passed=True, ndcg=0.9, at=clock.now() - timedelta(days=1), **figures)
    Evaluation.objects.create(passed=False, ndcg=0.5, fallen=["ndcg"], **figures)
    Evaluation.objects.create(passed=False, ndcg=0.1, fallen=["ndcg"], **figures | {"model": "one that was refused"})
    Calibration.objects.create(model=model, active=True, asked=0.1, weights={}, threshold=0.3, curve=[], figures={})
    index_proof.prove()
    found = status(client)
    assert (found["status"], found["problems"]) == ("degraded", ["measures_fallen"])
    assert found["collections"][0]["evaluation"]["ndcg"] == 0.5
    assert (found["calibration"]["fitted"], found["calibration"]["asked"]) == (True, 0.1)
    assert (found["proof"]["ok"], found["proof"]["recall"], found["proof"]["found"]) == (True, 1.0, {})


def test_it_is_degraded_while_something_is_wrong(client: Client, collection: Collection) -> None:
    collection.live_chunks = 9
    collection.save()
    index_proof.prove()
    EmbeddingIndex.objects.update(model="of-another-time")
    found = status(client)
    assert found["problems"] == ["embedding_model", "proof_failed"]
    assert found["proof"]["found"] == {"totals": 1}
    IndexProof.objects.update(at=clock.now() - timedelta(days=3))
    assert "proof_old" in status(client)["problems"]


def test_a_model_whose_threshold_nobody_fitted_is_a_problem(
    client: Client, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "threshold_not_fitted" not in status(client)["problems"]
    EmbeddingIndex.objects.update(model="endpoint:somebody-elses")
    monkeypatch.setattr("chat.starting.can_search", lambda: True)
    assert status(client)["problems"] == ["threshold_not_fitted"]
    Calibration.objects.create(
        model="endpoint:somebody-elses", active=True, asked=0.05, weights={}, threshold=0.5, curve=[], figures={}
    )
    assert status(client)["problems"] == []


def test_uploads_that_wait_and_the_scanner(client: Client, collection: Collection, settings: Any) -> None:
    first = clock.now() - timedelta(hours=1)
    for at, state in ((first, "received"), (clock.now(), "reading"), (first, "refused")):
        Upload.objects.create(
            collection=collection,
            file_name="a.pdf",
            size=1,
            sha256="0" * 64,
            state=state,
            created_at=at,
            created_by=cast.edith(),
        )
    settings.CLAMD = ""
    found = status(client)["uploads"]
    assert (found["waiting"], datetime.fromisoformat(found["oldest_at"])) == (2, first)
    assert found["malware_scanner"] is False
    settings.CLAMD = "/run/clamd.sock"
    assert status(client)["uploads"]["malware_scanner"] is True


def test_how_long_the_stages_took_today(client: Client) -> None:
    conversation = Conversation.objects.create(author=cast.alice(), title="A question")
    for number, (ms, hours) in enumerate([(10.0, 1), (20.0, 2), (90.0, 3), (5000.0, 30)], 1):
        Turn.objects.create(
            conversation=conversation,
            number=number,
            question="A question",
            status=Turn.Status.ANSWERED,
            submission=conversation.pk if number == 1 else Upload().pk,
            created_at=clock.now() - timedelta(hours=hours),
            deadline_at=clock.now(),
            evidence={"timings_ms": {"retrieve": ms}},
        )
    found = status(client)["search"]
    assert found == {"questions_24h": 3, "ms": {"retrieve": {"p50": 20.0, "p95": 90.0}}}


# ── Prometheus ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_prometheus_reads_the_same(client: Client, collection: Collection) -> None:
    ingest(sources=[labelled.source("foradine", "Foradine is new.")], collection=collection)
    DocumentVersion.objects.filter(document__external_id="denopril").update(review_by=clock.now().date() - timedelta(1))
    index_proof.prove()
    found = numbers(client)
    updated = knowledge_base.last_update()
    assert updated is not None
    assert found["clinchat_knowledge_base_last_update"] == pytest.approx(updated.timestamp(), abs=1)
    assert found["clinchat_knowledge_base_documents['published']"] == 4
    assert found["clinchat_knowledge_base_documents['approved']"] == 1
    assert (found["clinchat_knowledge_base_passages"], found["clinchat_knowledge_base_waiting"]) == (4, 1)
    assert (found["clinchat_knowledge_base_index_recall"], found["clinchat_knowledge_base_proof_ok"]) == (1, 1)
    assert (found["clinchat_knowledge_base_review_overdue"], found["clinchat_knowledge_base_measures_fallen"]) == (1, 0)
    collection.live_length = 9
    collection.save()
    index_proof.prove()
    assert numbers(client)["clinchat_knowledge_base_proof_ok"] == 0


def test_the_alerts_speak_of_numbers_there_are_and_of_the_runbook() -> None:
    groups = {group["name"]: group["rules"] for group in yaml.safe_load(RULES.read_text())["groups"]}
    rules = {rule["alert"]: rule for rule in groups["clinchat_knowledge_base"]}
    assert "MedicalKnowledgeBaseOutdated" in rules
    runbook = (RULES.parents[2] / "docs/operations-knowledge-base.md").read_text()
    for name, rule in rules.items():
        assert any(metric in rule["expr"] for metric in metrics.names()), name
        assert f"`{name}`" in runbook, f"the runbook does not say what to do when {name} rings"
    assert rules["MedicalKnowledgeBaseOutdated"]["expr"] == "(time() - clinchat_knowledge_base_last_update) > 604800"


def test_readiness_speaks_of_the_search() -> None:
    assert "search" in {check.key for check in health.run_checks()}
