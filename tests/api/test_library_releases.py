"""Releases through the API: what they change, what lets them through, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from chat import releases
from chat.corpus.ingest import ingest
from chat.corpus.loaders import Source
from chat.models import Collection, Document, DocumentVersion, Release
from compliance.models import AuditEvent, Code
from tests import cast
from tests.api.conftest import Api
from tests.api.editors import editor, program, signed_in
from tests.api.test_signin import assert_problem
from tests.chat import labelled

pytestmark = pytest.mark.django_db


@pytest.fixture
def drugs(db: None) -> Collection:
    """Published, with labeled questions."""
    made = labelled.drugs()
    labelled.ask_of(made)
    return made


@pytest.fixture
def edith(db: None) -> Api:
    return signed_in(editor())


def candidate(collection: Collection, *sources: Any, embedded: bool = True) -> Release:
    """A release that waits for its publisher."""
    release = ingest(sources=sources, collection=collection).release
    assert release is not None
    Release.objects.filter(pk=release.pk).update(kind=Release.Kind.EDITED)
    if embedded:
        releases.embed_waiting()
    return release


def publish(api: Api, release: Release) -> Any:
    return api.post(f"library/releases/{release.pk}/publish")


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_releases_the_newest_first_in_pages(drugs: Collection, edith: Api) -> None:
    candidate(drugs, labelled.source("brevoxil", "Brevoxil is given once a day."))
    Release.objects.create(collection=Collection.objects.create(slug="closed", readers=["auditor"]), kind="edited")
    first = edith.get("library/releases?limit=1").json()
    second = edith.get(f"library/releases?limit=1&cursor={first['next']}").json()
    assert [one["state"] for one in first["releases"] + second["releases"]] == ["candidate", "published"]
    assert second["next"] is None
    (told,) = edith.get("library/releases?state=published&collection=drugs").json()["releases"]
    assert (told["number"], told["documents"], len(told["manifest_sha256"])) == (1, 4, 64)


def test_what_a_release_changes_of_what_the_person_may_read(drugs: Collection, edith: Api) -> None:
    release = Release.objects.get()
    Document.objects.filter(external_id="brevoxil").update(readers=["auditor"])
    told = edith.get(f"library/releases/{release.pk}").json()
    assert (told["comes"], told["goes"], told["evaluation"]) == (4, 0, None)
    first = edith.get(f"library/releases/{release.pk}/changes?limit=2").json()
    rest = edith.get(f"library/releases/{release.pk}/changes?limit=2&cursor={first['next']}").json()
    changes = first["changes"] + rest["changes"]
    assert {one["external_id"] for one in changes} == {"carduline", "denopril", "etorazol"}
    assert rest["next"] is None
    version = DocumentVersion.objects.get(document__external_id="etorazol")
    assert [one["sha256"] for one in changes if one["external_id"] == "etorazol"] == [version.sha256]


@pytest.mark.parametrize("query", ["state=over", "collection=nowhere", "cursor=%00", "limit=x", "kind=edited"])
def test_what_a_list_cannot_be_asked(edith: Api, query: str) -> None:
    assert_problem(edith.get(f"library/releases?{query}"), 400)


def test_who_reads_releases(drugs: Collection) -> None:
    release = Release.objects.get()
    for person in (cast.dora(), cast.otto(), cast.audra()):
        assert signed_in(person).get(f"library/releases/{release.pk}").status_code == 200
    for person in (cast.alice(), cast.sam(), cast.mallory()):
        assert_problem(signed_in(person).get(f"library/releases/{release.pk}"), 403)
    Collection.objects.update(departments=["Cardiology"])
    for part in ("", "/changes"):
        assert_problem(signed_in(cast.dora()).get(f"library/releases/{release.pk}{part}"), 404)


# ── Publishing ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_release_waits_for_its_passages_then_is_what_is_searched(drugs: Collection, edith: Api) -> None:
    text = "Brevoxil is given for migraine. The usual dose of brevoxil is 20 mg by mouth once daily."
    release = candidate(drugs, labelled.source("brevoxil", text), embedded=False)
    early = assert_problem(publish(edith, release), 409)
    assert early["waiting"] == 1
    releases.embed_waiting()
    told = publish(edith, release).json()
    assert (told["state"], told["number"], told["published_by"]) == ("published", 2, "Edith Ekholm")
    assert told["evaluation"]["passed"] is True
    assert labelled.searched(drugs)["brevoxil"] == 2
    assert_problem(publish(edith, release), 409)


def test_a_release_that_answers_worse_is_refused_with_the_comparison(drugs: Collection, edith: Api) -> None:
    blank = Source(external_id="carduline", title="Blank page", text="This page was left blank on purpose.")
    release = candidate(drugs, blank)
    fell = assert_problem(publish(edith, release), 422)["comparison"]
    assert (fell["passed"], "declined_wrongly" in fell["fallen"], "surgery" in fell["worst"]) == (False, True, True)
    assert fell["after"]["declined_wrongly"] > fell["before"]["declined_wrongly"]
    assert labelled.searched(drugs)["carduline"] == 1
    told = edith.get(f"library/releases/{release.pk}").json()
    assert (told["state"], told["evaluation"]["fallen"]) == ("candidate", fell["fallen"])


def test_who_may_not_publish_or_roll_back(drugs: Collection) -> None:
    release = candidate(drugs, labelled.source("brevoxil", "Brevoxil is given once a day."))
    for api in (signed_in(cast.alice()), signed_in(cast.dora()), signed_in(cast.otto()), program()):
        assert_problem(publish(api, release), 403)
        assert_problem(api.post(f"library/releases/{release.pk}/rollback", {"reason": "No."}), 403)
    Collection.objects.update(departments=["Cardiology"])
    assert_problem(publish(signed_in(editor()), release), 404)
    assert AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_id=str(release.pk)).exists()
    assert labelled.searched(drugs)["brevoxil"] == 1


# ── Going back ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_back_to_an_earlier_release(drugs: Collection, edith: Api) -> None:
    first = Release.objects.get()
    text = "Brevoxil is given for migraine. The usual dose of brevoxil is 20 mg by mouth once daily."
    labelled.load(drugs, labelled.source("brevoxil", text))
    releases.withdraw(documents=[Document.objects.get(external_id="etorazol")], reason="", by=editor())
    back = edith.post(f"library/releases/{first.pk}/rollback", {"reason": "Mr. Delacroix, MRN 88231904, was harmed."})
    assert (back.status_code, back["Location"]) == (201, f"/api/library/releases/{back.json()['id']}")
    assert (back.json()["kind"], back.json()["number"]) == ("rollback", 4)
    assert "Delacroix" not in Release.objects.get(number=4).reason
    assert labelled.searched(drugs) == {"brevoxil": 1, "carduline": 1, "denopril": 1}, "what was withdrawn stays out"
    more = {"reason": "It was fine.", "withdrawn_too": True}
    assert edith.post(f"library/releases/{first.pk}/rollback", more).status_code == 201
    assert labelled.searched(drugs) == dict.fromkeys(labelled.DRUGS, 1)
    assert_problem(edith.post(f"library/releases/{first.pk}/rollback", more), 409)


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "x" * 501}, {"reason": "A reason", "withdrawn_too": "yes"}, {"to": 1}]
)
def test_what_is_no_rollback(edith: Api, body: dict[str, Any]) -> None:
    release = Release.objects.create(collection=Collection.objects.create(slug="bare", name="Bare"), kind="edited")
    assert_problem(edith.post(f"library/releases/{release.pk}/rollback", body), 400)
