"""A hospital's changes of the interaction table as a file: written, and proposed anew elsewhere, all or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from chat.interactions import change_file, changes
from chat.models import LocalInteraction
from compliance import phi
from compliance.models import AuditEvent, Notice
from tests import cast
from tests.chat import tables
from tests.chat import test_interaction_changes as changing
from tests.chat.test_interaction_changes import _table_of_this_test_alone, day, fields, lowered, missing, text_of

__all__ = ["_table_of_this_test_alone"]  # a fixture
pytestmark = pytest.mark.django_db
FILE, IMPORT = "/library/interactions/file/", "/library/interactions/import/"
Status = LocalInteraction.Status


@pytest.fixture
def edith(client: Client) -> Client:
    return cast.sign_in(client, cast.edith())


def whole(*entries: Any, **other: Any) -> str:
    return json.dumps({"format": change_file.FORMAT, "format_version": 1, "changes": list(entries)} | other)


def send(client: Client, text: str) -> str:
    return text_of(client.post(IMPORT, {"file": SimpleUploadedFile("c.json", text.encode())}, follow=True))


def entry(**other: Any) -> dict[str, Any]:
    return missing(a="atorvastatin", b="metformin") | other


def test_what_is_written_can_be_read_elsewhere(edith: Client) -> None:
    changing.approved()
    changing.proposed(missing())
    answer = edith.get(FILE)
    assert answer["Content-Disposition"].startswith('attachment; filename="interaction-changes-')
    content = json.loads(answer.content)
    assert (content["format_version"], content["table"]) == (1, "2026.11.21")
    assert [(one["a"], one["b"], one["status"], one["shipped"]) for one in content["changes"]] == [
        ("amiodarone", "warfarin", "approved", "major"),
        ("atorvastatin", "metformin", "proposed", ""),
    ]
    assert AuditEvent.objects.filter(object_type="chat.LocalInteraction", detail={"step": "export"}).exists()
    before = list(LocalInteraction.objects.values_list(*change_file.FIELDS))

    LocalInteraction.objects.all().delete()
    assert "2 proposed, each waits for a second person." in send(edith, answer.content.decode())
    assert sorted(LocalInteraction.objects.values_list(*change_file.FIELDS)) == sorted(before)
    assert set(LocalInteraction.objects.values_list("status", "proposed_by")) == {("proposed", cast.edith().pk)}
    notice = Notice.objects.get(title="2 changes of the interaction table wait")
    assert notice.user == cast.dora()


def test_over_is_not_written(edith: Client) -> None:
    changes.refuse(change_id=changing.proposed().pk, by=cast.dora())
    ended = changing.approved(lowered())
    changes.end(change_id=ended.pk, by=cast.dora())
    assert json.loads(edith.get(FILE).content)["changes"] == []


def test_what_is_there_already_is_skipped_and_counted(edith: Client) -> None:
    changing.approved()
    changing.proposed(missing())
    text = whole(fields(), entry(), fields(a="clarithromycin", b="simvastatin", severity="major"))
    assert "1 proposed, each waits for a second person. 2 skipped" in send(edith, text)
    assert LocalInteraction.objects.count() == 3
    assert "0 proposed" in send(edith, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "The file is not JSON."),
        ("[" * 100_000, "The file is not JSON."),
        ("[]", "The file is not an export of changes"),
        (whole(entry(), format="other"), "The file is not an export of changes"),
        (whole(entry(), format_version=2), "This ClinChat reads “format_version” 1 alone."),
        (whole(), "“changes” is not a list with at least one change."),
        (whole(*[entry()] * 201), "The file holds 201 changes. At most 200"),
        (whole(entry(), "x"), "Entry 2: it is not an object whose values are strings."),
        (whole(entry(severity=3)), "Entry 1: it is not an object whose values are strings."),
        (whole(entry(color="red")), "Entry 1: “color” is no field of a change."),
        (whole(entry(severity="deadly")), "Entry 1: severity: That is not one of the choices."),
        (whole(entry(a="zzzzzz")), "Entry 1: first medicine: ClinChat does not know this medicine."),
        (whole(entry(expires_on=day(0))), "Entry 1: last day in force: Choose a day after today."),
        (whole(entry(expires_on="")), "Entry 1: last day in force: Choose a day."),
        (whole(entry(effect="")), "Entry 1: effect: The table does not hold this pair"),
        (whole(fields(), fields(a="amiodarone", b="warfarin")), "Entry 2: the same pair as entry 1."),
        (whole(entry(), fields(severity="major")), "Entry 2: severity: The table says major already."),
        (whole(entry(reason="x" * 501)), "Entry 1: reason: Shorten it to 500 characters."),
        (whole(entry(reason="\ud800")), "Entry 1: it holds characters that are not text."),
        (whole(entry(source_name="\x00")), "Entry 1: it holds characters that are not text."),
        (whole(entry(**{"\udfff": "x"})), "Entry 1: it holds characters that are not text."),
    ],
)
def test_a_file_with_a_fault_proposes_nothing_and_says_where(edith: Client, text: str, words: str) -> None:
    page = send(edith, text)
    assert words in page
    assert "Nothing was proposed" in page
    assert not LocalInteraction.objects.exists()
    assert not Notice.objects.exists()


def test_no_file_and_bytes_that_are_no_text_are_refused(edith: Client) -> None:
    assert "Choose a file." in text_of(edith.post(IMPORT, {}))
    picture = SimpleUploadedFile("c.json", b"\xff\xfe\x00")
    assert "The file is not text in UTF-8." in text_of(edith.post(IMPORT, {"file": picture}))


def test_identifiers_in_a_file_are_masked_for_good(edith: Client) -> None:
    send(edith, whole(entry(reason="Seen in Mr. Delacroix, MRN 88231904", effect="As in MRN 88231904")))
    stored = LocalInteraction.objects.get()
    assert "Delacroix" not in stored.reason
    assert "88231904" not in stored.reason + stored.effect


def test_without_masking_the_first_entry_is_the_last_that_is_tried(
    edith: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def broken(text: str, *_: Any, **__: Any) -> None:
        tried.append(text)
        raise phi.PhiUnavailable

    monkeypatch.setattr("compliance.masking.mask", broken)
    page = send(edith, whole(entry(), fields(), lowered(a="warfarin", b="aspirin")))
    assert "could not be checked for patient identifiers" in page
    assert len(tried) == 4
    assert not LocalInteraction.objects.exists()


def test_as_many_as_a_file_holds_are_taken(edith: Client) -> None:
    minor = [pair for pair, (severity, _) in tables.shipped().graded().items() if severity == "minor"]
    entries = [fields(a=a, b=b, severity="moderate") for a, b in minor[: change_file.MOST]]
    assert "200 proposed" in send(edith, whole(*entries))
