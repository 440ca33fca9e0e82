"""Interactions through the API: as on the page, for who may check, and nothing of a patient."""

from __future__ import annotations

import json
import logging
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from chat.interactions import current
from chat.models import InteractionCheck
from compliance import phi
from compliance.models import AuditEvent
from tests import cast
from tests.api.conftest import Api
from tests.api.editors import signed_in
from tests.api.test_signin import assert_problem

pytestmark = pytest.mark.django_db
CHECK = "drugs/interactions"
FOUR = ("found", "none_found", "not_covered", "not_recognised")


@pytest.fixture
def alice(db: None) -> Api:
    return signed_in(cast.alice())


def check(api: Api, **body: Any) -> dict[str, Any]:
    answer = api.post(CHECK, body)
    assert answer.status_code == 200, answer.content
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize(("key", "code"), [("alice", 200), ("dora", 200), ("nadia", 403), ("otto", 403), ("sam", 403)])
def test_whoever_may_ask_may_check(key: str, code: int) -> None:
    answer = signed_in(getattr(cast, key)()).post(CHECK, {"drugs": ["warfarin", "aspirin"]})
    assert answer.status_code == code


def test_a_list(alice: Api) -> None:
    told = check(alice, drugs=["Coumadin 5 mg", "amiodarone", "kava", "Percocet", "Tylenol"])
    first = told["found"][0]
    assert {"a", "b", "severity", "mechanism", "effect", "management", "sources", "alert", "local"} <= set(first)
    assert (first["a"], first["b"], first["severity"]) == ("amiodarone", "warfarin", "major")
    assert all(one["sources"] for one in told["found"])
    assert [one["text"] for one in told["not_recognised"]] == ["kava"]
    assert told["duplicates"] == [{"name": "acetaminophen", "names": ["Percocet", "Tylenol"]}]
    made = InteractionCheck.objects.get()
    assert (str(made.pk), made.where, made.by) == (told["id"], "api", cast.alice())
    assert {name: told[name] for name in made.result} == made.result


def test_order_does_not_matter(alice: Api) -> None:
    drugs = ["warfarin", "aspirin", "simvastatin", "clarithromycin", "zyxo"]
    first, second = check(alice, drugs=drugs), check(alice, drugs=drugs[::-1])
    assert [first[name] for name in FOUR] == [second[name] for name in FOUR]


def test_a_text_is_masked_before_it_is_looked_at(alice: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        told = check(alice, text="Maria Delacroix, MRN 88231904, takes warfarin. Clarithromycin with simvastatin?")
    assert told["found"][0]["severity"] == "contraindicated"
    assert len(told["medicines"]) == 3
    left = [str(told), caplog.text, str(InteractionCheck.objects.get().result)]
    left += [str((event.detail, event.changes, event.object_id)) for event in AuditEvent.objects.all()]
    assert not any("Delacroix" in one or "88231904" in one for one in left)


def test_what_is_not_recognised_comes_back_masked(alice: Api) -> None:
    told = check(alice, drugs=["warfarin", "aspirin", "Maria Delacroix 88231904"])
    assert "Delacroix" not in str(told)
    assert len(told["not_recognised"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"drugs": ["warfarin", "aspirin 81", "Percocet", "Tylenol", "kava", "cetirizine", "NSAIDs", "asprin"]},
        {"text": "Warfarin with simvastatin and clarithromycin"},
    ],
)
def test_answers_are_as_documented(alice: Api, body: dict[str, Any]) -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    parts = json.loads(json.dumps(document["components"], default=str))

    def fits(told: Any, name: str) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": parts}
        jsonschema.Draft202012Validator(schema).validate(told)

    fits(check(alice, **body), "Checked")
    fits(alice.get("drugs/search?q=asp").json(), "Completions")
    fits(signed_in(cast.otto()).get("admin/drug-db/health").json(), "DrugTableStatus")


@pytest.mark.parametrize(
    "body", [{}, {"drugs": ["warfarin", "aspirin"], "text": "warfarin"}, {"drugs": "warfarin"}, {"drugs": [1]}]
)
def test_exactly_one_of_the_two(alice: Api, body: dict[str, Any]) -> None:
    assert_problem(alice.post(CHECK, body), 400)


@pytest.mark.parametrize(
    "body",
    [
        {"drugs": []},
        {"drugs": ["warfarin"]},
        {"drugs": ["warfarin", " Warfarin "]},
        {"drugs": ["warfarin", "-"]},
        {"text": "Is warfarin in the library?"},
        {"text": "Nothing at all"},
    ],
)
def test_one_medicine(alice: Api, body: dict[str, Any]) -> None:
    problem = assert_problem(alice.post(CHECK, body), 422)
    assert problem["detail"].startswith("Fewer than two medicines were named.")
    assert not InteractionCheck.objects.exists()


def test_too_many(alice: Api) -> None:
    problem = assert_problem(alice.post(CHECK, {"drugs": [f"medicine {n}" for n in range(200)]}), 422)
    assert problem["detail"] == "200 medicines were named. Send at most 30 at once."


def test_masking_is_down(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> object:
        raise phi.PhiUnavailable

    monkeypatch.setattr("compliance.masking.mask", down)
    for body in ({"text": "warfarin with aspirin"}, {"drugs": ["warfarin", "zyxoprane"]}):
        problem = assert_problem(alice.post(CHECK, body), 503)
        assert "could not be checked for patient identifiers" in problem["detail"]
    assert not InteractionCheck.objects.exists()


def test_no_sound_table(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> object:
        raise current.Unavailable

    monkeypatch.setattr(current, "current", none)
    problem = assert_problem(alice.post(CHECK, {"drugs": ["warfarin", "aspirin"]}), 503)
    assert "Use another source" in problem["detail"]
    assert_problem(alice.get("drugs/search?q=war"), 503)


def test_names_are_completed(alice: Api) -> None:
    told = alice.get("drugs/search?q=WAR&limit=3").json()["drugs"]
    assert told[0] == {"name": "warfarin", "ids": ["warfarin"], "kind": "ingredient", "holds": ["warfarin"]}
    assert len(told) <= 3
    assert alice.get("drugs/search?q=qqqqzz").json() == {"drugs": []}
    assert alice.get("drugs/search").json() == alice.get("drugs/search?q=").json() == {"drugs": []}
    for wrong in ("?q=war&limit=0", "?q=war&limit=21", "?q=war&more=1", f"?q={'a' * 101}"):
        assert_problem(alice.get(f"drugs/search{wrong}"), 400)


def test_what_is_looked_up_leaves_nothing(alice: Api, caplog: pytest.LogCaptureFixture) -> None:
    before = AuditEvent.objects.count()
    with caplog.at_level(logging.DEBUG):
        alice.get("drugs/search?q=methotrex")
    assert AuditEvent.objects.count() == before
    assert "methotrex" not in caplog.text


@pytest.mark.parametrize(("key", "code"), [("edith", 200), ("otto", 200), ("mallory", 403)])
def test_who_reads_the_library_looks_names_up(key: str, code: int) -> None:
    assert cast.sign_in(Client(), getattr(cast, key)()).get("/api/drugs/search?q=war").status_code == code
