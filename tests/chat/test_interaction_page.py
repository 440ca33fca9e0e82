"""The page of interactions: lists as people paste them, what is found in them, and what readers do with the alerts."""

from __future__ import annotations

import re
import uuid
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chat.interactions import current
from chat.models import InteractionAlert, InteractionCheck
from compliance import phi
from compliance.models import AuditEvent
from tests import cast

pytestmark = pytest.mark.django_db
ADDRESS = "/interactions/"


def send(client: Client, text: str) -> Any:
    return client.post(ADDRESS, {"medicines": text})


def checked(client: Client, text: str) -> str:
    """The words of the page of a list, in one line."""
    answer = send(client, text)
    assert answer.status_code == 302, text_of(answer)
    page = client.get(answer["Location"])
    assert page.status_code == 200
    return text_of(page)


def text_of(page: Any) -> str:
    main = page.content.decode().split("<main", 1)[1].split("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


def names(made: InteractionCheck) -> list[str]:
    return [one["name"] for one in made.result["medicines"]]


def found(made: InteractionCheck) -> set[tuple[str, str]]:
    return {(one["a"], one["b"]) for one in made.result["found"]}


@pytest.mark.parametrize(
    ("key", "code"), [("alice", 200), ("dora", 200), ("nadia", 403), ("edith", 403), ("otto", 403), ("mallory", 403)]
)
def test_whoever_may_ask_may_check(key: str, code: int) -> None:
    client = cast.sign_in(Client(), getattr(cast, key)())
    assert client.get(ADDRESS).status_code == code
    nav = client.get("/settings/").content.decode()
    assert (f'href="{ADDRESS}"' in nav) == (code == 200)


def test_what_was_found_stands_on_a_page_of_its_own(alice: Client) -> None:
    words = checked(alice, "warfarin\nsimvastatin\nclarithromycin\nmetformin\nibuprofen\nlisinopril")
    made = InteractionCheck.objects.get()
    assert (made.by, made.where, made.contraindicated) == (cast.alice(), "page", 1)
    assert words.index("Contraindicated: clarithromycin with simvastatin") < words.index("Major interaction: ")
    assert "Do not combine; suspend the statin" in words
    assert "ONC high-priority drug-drug interactions (Phansalkar 2012)" in words
    assert re.search(r"\d+ other interactions?", words)
    assert re.search(r"\d+ pairs?: none found in this table", words)
    assert "Absence of an interaction here is not proof that there is none." in words
    assert f"Interaction table {made.table}. Sources: ANSM thesaurus (2020-10)" in words
    assert "No pharmacist of this hospital has reviewed the table yet." in words
    assert not re.search(r"\bsafe\b", words, re.IGNORECASE)


def test_nothing_typed_stands_in_the_address(alice: Client) -> None:
    answer = send(alice, "warfarin\naspirin")
    assert re.fullmatch(r"/interactions/[0-9a-f-]{36}/", answer["Location"])


def test_the_same_list_in_any_order_gives_the_same(alice: Client) -> None:
    for text in ("warfarin\namiodarone\nPercocet", "percocet; AMIODARONE, Warfarin 5 mg PO daily"):
        send(alice, text)
    first, second = InteractionCheck.objects.all()
    same = ("found", "none_found", "not_covered", "duplicates", "not_recognised")
    assert [first.result[key] for key in same] == [second.result[key] for key in same]


@pytest.mark.parametrize("text", ["", "   \n\n ,,, ;;; \n", "none", "NKDA", "- \n* \n"])
def test_no_medicines(alice: Client, text: str) -> None:
    page = send(alice, text)
    assert (page.status_code, "Enter at least two medicines." in text_of(page)) == (422, True)
    assert not InteractionCheck.objects.exists()


@pytest.mark.parametrize("text", ["warfarin", "warfarin\nwarfarin", "warfarin\n" * 200, "PRN Tylenol", "zyxoprane"])
def test_one_medicine_has_nothing_to_be_compared_with(alice: Client, text: str) -> None:
    page = send(alice, text)
    assert (page.status_code, "Add a second medicine" in text_of(page)) == (422, True)
    assert text.split("\n", maxsplit=1)[0] in page.content.decode(), "what was typed is still there"


@pytest.mark.parametrize("text", ["Percocet", "NSAIDs", "simvastatin clarithromycin"])
def test_one_entry_that_is_more_than_one_medicine(alice: Client, text: str) -> None:
    assert send(alice, text).status_code == 302


def test_too_many(alice: Client) -> None:
    page = send(alice, "\n".join(f"medicine {n}" for n in range(200)))
    assert page.status_code == 422
    assert "That is 200 medicines. Check at most 30 at once." in text_of(page)
    assert "medicine 199" in page.content.decode()
    page = send(alice, "a" * 100_000)
    assert (page.status_code, "That is 100000 characters." in text_of(page)) == (422, True)


def test_too_many_on_one_line(alice: Client) -> None:
    drugs = [drug.name for drug in current.current().drugs.values() if drug.common][:80]
    page = send(alice, " and ".join(drugs))
    assert page.status_code == 422
    assert re.search(r"That is \d\d medicines. Check at most 60 at once.", text_of(page))
    assert not InteractionCheck.objects.exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Lisinopril 10mg PO QD; HCTZ 12.5mg PO QAM; KCl 20mEq PO BID; Spironolactone 25 mg PO daily",
            {"Lisinopril", "HCTZ", "KCl", "Spironolactone"},
        ),
        ("1. Metoprolol succ ER 50 mg\n2) Diltiazem CD 240mg\n(3) digoxin .125\n- furosemide\n* KCl", 5),
        ("simvastatin\tclarithromycin\tcolchicine", {"simvastatin", "clarithromycin", "colchicine"}),
        ("potassium chloride, calcium carbonate, isosorbide mononitrate", 3),
        ("Lisinopril 10 mg, once daily, by mouth, warfarin 5,000 units", 2),
        ("warfarin\raspirin\r\nmetformin", 3),
        ("war\u00adfarin\n\ufeffaspirin\u200b\n\uff44\uff49\uff47\uff4f\uff58\uff49\uff4e", 3),
        ("💊 warfarin 🩸, ❤️ metoprolol, 🍊 grapefruit", 3),
        ("warfarine, paracétamol", 2),
    ],
)
def test_lists_as_they_are_pasted(alice: Client, text: str, expected: Any) -> None:
    assert send(alice, text).status_code == 302
    made = InteractionCheck.objects.get()
    assert made.result["not_recognised"] == []
    read = {name.lower() for name in names(made)}
    assert len(read) == expected if isinstance(expected, int) else read == {name.lower() for name in expected}


def test_parts_of_one_product_are_no_pair_and_what_is_double_is_said(alice: Client) -> None:
    words = checked(alice, "Percocet\nTylenol 1 g q6h")
    assert ("acetaminophen", "oxycodone") not in found(InteractionCheck.objects.get())
    assert "Acetaminophen is in Percocet and Tylenol: check the total dose." in words
    assert "The parts of one product are not checked against each other." in words


def test_combinations_are_not_split(alice: Client) -> None:
    words = checked(alice, "lisinopril/HCTZ, losartan-HCTZ")
    assert "Hydrochlorothiazide is in" in words
    assert ("lisinopril", "losartan") in found(InteractionCheck.objects.get())


def test_the_same_medicine_in_two_doses(alice: Client) -> None:
    assert "Warfarin is listed twice." in checked(alice, "warfarin 5 mg\nwarfarin 2 mg\naspirin")


def test_what_is_not_recognised_is_named_and_can_be_corrected(alice: Client) -> None:
    words = checked(alice, "warfarin, zyrtac, amiodarone")
    assert "Not recognized, so not checked zyrtac Did you mean Zyrtec" in words
    assert ("amiodarone", "warfarin") in found(InteractionCheck.objects.get())
    page = alice.get(InteractionCheck.objects.get().get_absolute_url()).content.decode()
    corrected = [unescape(one) for one in re.findall(r'name="medicines" value="([^"]*)"', page)]
    assert "amiodarone\nwarfarin\nZyrtec" in corrected


@pytest.mark.parametrize(
    ("entry", "unread"),
    [
        ("warfarin and zyxoprane", ["zyxoprane"]),
        ("warfarin + zyxoprane 5 mg", ["zyxoprane 5 mg"]),
        ("warfarin\nzyxoprane", ["zyxoprane"]),
        ("lisinopril/HCTZ 20/12.5 mg daily", []),
        ("warfarin 5 mg with food and at bedtime", []),
        ("TMP/SMX DS", []),
        ("HEPARIN 5,000 UNIT/ML SQ Q8H", []),
        ("WARFARIN 5MG TAB PO QPM GIVEN 11/20 18:04", []),
        ("oxycodone-acetaminophen 5/325 mg/tab", []),
    ],
)
def test_no_part_of_a_line_is_dropped(alice: Client, entry: str, unread: list[str]) -> None:
    send(alice, f"{entry}\nmetformin")
    assert [one["text"] for one in InteractionCheck.objects.get().result["not_recognised"]] == unread


def test_a_patient_is_kept_nowhere(alice: Client) -> None:
    words = checked(alice, "warfarin\nMrs. Maria Delacroix MRN 88231904\naspirin")
    assert "Delacroix" not in words
    [unknown] = InteractionCheck.objects.get().result["not_recognised"]
    assert unknown["suggestions"] == [], "names that sound alike tell of the patient's"
    kept = str(InteractionCheck.objects.get().result) + "".join(
        str((e.detail, e.changes, e.object_id)) for e in AuditEvent.objects.all()
    )
    assert ("Delacroix" in kept, "88231904" in kept) == (False, False)


def test_other_scripts_and_markup_are_shown_as_they_are(alice: Client) -> None:
    words = checked(alice, "варфарин\n<script>x(1)</script>\n<b>warfarin</b>\naspirin")
    made = InteractionCheck.objects.get()
    assert found(made) == {("aspirin", "warfarin")}
    assert "Enter the English generic or brand name." in words
    assert len(made.result["not_recognised"]) == 2


def test_allergies_and_stopped_medicines_are_said(alice: Client) -> None:
    words = checked(alice, "Allergies: penicillin\nD/C'd: amiodarone 3/2024\nMeds: warfarin, metformin")
    assert "Allergies are not checked here." in words
    assert "penicillin" not in " ".join(names(InteractionCheck.objects.get())).lower()
    assert "Written as stopped, held or not taken, and checked all the same: amiodarone." in words


def test_what_the_table_does_not_cover_is_never_none_found(alice: Client) -> None:
    table = current.current().table
    lacking = next(drug for drug in table.drugs.values() if drug.common and not drug.covered)
    words = checked(alice, f"{lacking.name}\nwarfarin")
    assert f"Not covered by this table {lacking.name}." in words
    assert InteractionCheck.objects.get().result["none_found"] == []
    assert "No interaction found in this table" not in words or "not covered" in words


def test_a_class_stands_for_its_members(alice: Client) -> None:
    words = checked(alice, "NSAIDs\nwarfarin")
    assert re.search(r"25 of 25 members; gravest with \w+", words)


def test_a_result_is_its_makers_alone(alice: Client, bob: Client) -> None:
    address = send(alice, "warfarin\naspirin")["Location"]
    assert (alice.get(address).status_code, bob.get(address).status_code) == (200, 404)
    assert bob.get(reverse("interaction-result", args=[uuid.uuid4()])).status_code == 404
    refused = AuditEvent.objects.filter(code="authz_fail", object_type="chat.InteractionCheck")
    assert {str(event.actor_id) for event in refused} == {str(cast.bob().pk)}
    assert AuditEvent.objects.filter(code="sensitive_read", object_type="chat.InteractionCheck").count() == 1


def test_the_list_comes_back_into_the_form(alice: Client) -> None:
    page = alice.post(reverse("interaction-again"), {"medicines": "warfarin\nzyxoprane"})
    assert (page.status_code, "warfarin\nzyxoprane</textarea>" in page.content.decode()) == (200, True)
    assert not InteractionCheck.objects.exists()
    assert alice.get(reverse("interaction-again")).status_code == 302


def test_without_masking_nothing_unknown_is_kept(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> object:
        raise phi.PhiUnavailable

    monkeypatch.setattr("compliance.masking.mask", down)
    page = send(alice, "warfarin\nzyxoprane")
    assert (page.status_code, "could not be checked for patient identifiers" in text_of(page)) == (503, True)
    assert "zyxoprane" in page.content.decode()
    assert not InteractionCheck.objects.exists()


def test_without_a_sound_table_nothing_is_checked(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> object:
        raise current.Unavailable

    monkeypatch.setattr(current, "current", none)
    page = send(alice, "warfarin\naspirin")
    assert (page.status_code, "Use another source" in text_of(page)) == (503, True)
    assert alice.get(ADDRESS).status_code == 200
    assert alice.get(reverse("interaction-pair", args=["aspirin", "warfarin"])).status_code == 503


# ── Alerts ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def alert(alice: Client) -> InteractionAlert:
    send(alice, "warfarin\naspirin")
    return InteractionAlert.objects.get()


def respond(client: Client, alert: InteractionAlert, **fields: str) -> Any:
    return client.post(reverse("interaction-respond", args=[alert.pk]), fields)


def test_an_alert_is_read(alice: Client, alert: InteractionAlert) -> None:
    answer = respond(alice, alert, response="acknowledged", reason="other")
    assert answer["Location"] == f"{alert.check_made.get_absolute_url()}#alert-{alert.pk}"
    alert.refresh_from_db()
    assert (alert.response, alert.responded_at is not None) == ("acknowledged", True)
    words = text_of(alice.get(answer["Location"]))
    assert "ClinChat has kept that you read it." in words
    assert ("I have read this" in words, "Override with a reason" in words) == (False, True)


def test_an_alert_is_overridden_for_a_reason(alice: Client, alert: InteractionAlert) -> None:
    respond(alice, alert, response="overridden", reason="benefit", note="Discussed with Maria Delacroix")
    alert.refresh_from_db()
    assert (alert.response, alert.reason, alert.note) == ("overridden", "benefit", "Discussed with [name]")
    page = text_of(alice.get(alert.check_made.get_absolute_url()))
    assert "Overridden The benefit outweighs the risk" in page
    respond(alice, alert, response="acknowledged")
    alert.refresh_from_db()
    assert alert.response == "overridden"


def test_a_note_that_masking_makes_longer_is_kept(alice: Client, alert: InteractionAlert) -> None:
    note = "".join(f"MRN 48{n:03}, " for n in range(45))
    assert respond(alice, alert, response="overridden", reason="other", note=note).status_code == 302
    alert.refresh_from_db()
    assert (alert.response, len(alert.note), "48001" in alert.note) == ("overridden", 500, False)


@pytest.mark.parametrize("reason", ["", "because"])
def test_no_alert_is_overridden_without_a_reason(alice: Client, alert: InteractionAlert, reason: str) -> None:
    page = respond(alice, alert, response="overridden", reason=reason, note="Kept words")
    assert (page.status_code, "Choose a reason." in text_of(page)) == (422, True)
    assert "Kept words" in page.content.decode()
    alert.refresh_from_db()
    assert alert.response == ""


def test_alerts_are_answered_by_their_reader_alone(bob: Client, alert: InteractionAlert) -> None:
    assert respond(bob, alert, response="acknowledged").status_code == 404
    alert.refresh_from_db()
    assert alert.response == ""


# ── Pairs ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("key", "code"), [("alice", 200), ("edith", 200), ("otto", 200), ("mallory", 403)])
def test_who_reads_the_library_reads_pairs(key: str, code: int) -> None:
    client = cast.sign_in(Client(), getattr(cast, key)())
    assert client.get(reverse("interaction-pair", args=["warfarin", "aspirin"])).status_code == code


def test_everything_of_a_pair_in_any_order(alice: Client) -> None:
    pages = [
        text_of(alice.get(reverse("interaction-pair", args=pair)))
        for pair in (("simvastatin", "clarithromycin"), ("clarithromycin", "simvastatin"))
    ]
    assert pages[0] == pages[1]
    assert "row 25, doi:10.1136/amiajnl-2011-000612" in pages[0]
    assert "Do not combine; suspend the statin" in pages[0]


def test_pairs_that_are_not_there(alice: Client) -> None:
    words = text_of(alice.get(reverse("interaction-pair", args=["atorvastatin", "metformin"])))
    assert "None found in this table Absence of an interaction here is not proof that there is none." in words
    for pair in (("warfarin", "nothing"), ("warfarin", "warfarin")):
        assert alice.get(reverse("interaction-pair", args=pair)).status_code == 404
    lacking = next(drug.id for drug in current.current().drugs.values() if not drug.covered)
    assert "Not covered" in text_of(alice.get(reverse("interaction-pair", args=[lacking, "warfarin"])))
