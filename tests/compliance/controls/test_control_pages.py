"""The overview and the pages of controls, by everybody; their forms with whatever is sent; commands, numbers, admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from clinchat.lib import clock
from clinchat.lib.keys import Unsealable
from compliance.controls import attestations, catalogue, exceptions, overview, results
from compliance.models import (
    Attestation,
    AuditEvent,
    ControlException,
    ControlResult,
    User,
)
from tests import cast

NOTHING = "0198f6a0-0000-7000-8000-000000000000"
"""No row has this id."""
pytestmark = pytest.mark.django_db
PAGE = "/compliance/controls/ADM-02/"
READERS = ("pat", "sam", "carol", "otto", "audra", "ada")
OFFICERS = ("pat", "sam", "carol")
OTHERS = ("alice", "dora", "edith", "mallory")
PHI = "Mr. Delacroix, MRN 88231904, was told."


def visit(who: str) -> Client:
    return cast.sign_in(Client(), getattr(cast, who)())


def words(answer: Any) -> str:
    return str(answer.content.decode())


def document(size: int = 9, name: str = "minutes.pdf") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"%PDF-1.7 "[:size] + b"x" * max(0, size - 9))


def sign(client: Client, *, without: str = "", page: str = PAGE, **sent: Any) -> Any:
    form = {"statement": "So it is.", "name": "Minutes", "document": document()} | sent
    form.pop(without, None)
    return client.post(page + "sign/", form)


def signed() -> Attestation:
    return attestations.attest(
        control_id="ADM-02", owner=cast.sam(), statement="So it is.", document=b"words", document_name="Minutes"
    )


def asked(by: User | None = None) -> ControlException:
    return exceptions.ask(
        control_id="ADM-07",
        by=by or cast.pat(),
        kind=ControlException.Kind.EXCEPTION,
        reason="Not yet.",
        compensating="By hand.",
        days=30,
    )


def kept(key: str, *, state: ControlResult.State = ControlResult.State.PASS, number: int = 1) -> None:
    for _ in range(number):
        results.keep(key=key, state=state, observed="3 of 3", subjects=3, started_at=clock.now(), duration_ms=7)


# ── Who ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("who", READERS + OTHERS)
def test_who_reads(who: str) -> None:
    client = visit(who)
    wanted = 200 if who in READERS else 403
    one = signed()
    for address in ("/compliance/", PAGE, PAGE + "vuln.sla/"):
        assert client.get(address).status_code == wanted, address
    document = 200 if who in (*OFFICERS, "audra") else 403  # who may take evidence away
    assert client.get(f"/compliance/attestations/{one.pk}/document/").status_code == document
    if who in READERS:
        assert (b"/document/" in client.get(PAGE).content) is (document == 200)


@pytest.mark.parametrize("who", READERS + OTHERS)
def test_who_acts(who: str) -> None:
    client = visit(who)
    run = 302 if who in (*OFFICERS, "otto") else 403
    act = 302 if who in OFFICERS else 403
    assert client.post("/compliance/run/").status_code == run
    assert client.post(PAGE + "run/").status_code == run
    assert client.post(PAGE + "sign/").status_code == (200 if who in OFFICERS else 403)
    one, gap = signed(), asked(cast.carol())
    assert client.post(f"/compliance/attestations/{one.pk}/withdraw/").status_code == act
    for step in ("end", "refuse", "approve"):
        assert client.post(f"/compliance/exceptions/{gap.pk}/{step}/").status_code == act
    if who not in OFFICERS:
        gap.refresh_from_db()
        assert gap.status == ControlException.Status.REQUESTED


def test_a_stranger_and_one_without_the_second_factor() -> None:
    one = Client()
    one.force_login(cast.sam())
    for client in (Client(), one):
        for address in ("/compliance/", PAGE):
            assert client.get(address).status_code == 302
        assert client.post("/compliance/run/").status_code == 302


def test_signing_and_approving_ask_for_both_factors_again() -> None:
    late = cast.sign_in(Client(), cast.sam(), proved=False)
    assert "/signin/again/" in sign(late)["Location"]
    gap = asked()
    assert "/signin/again/" in late.post(f"/compliance/exceptions/{gap.pk}/approve/")["Location"]
    assert not Attestation.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        "/compliance/controls/ADM-99/",
        "/compliance/controls/adm-02/",
        "/compliance/controls/ADM-02/audit.grants/",
        "/compliance/controls/ADM-02/no.such/",
        f"/compliance/attestations/{NOTHING}/document/",
    ],
)
def test_what_is_not_there(address: str) -> None:
    assert visit("sam").get(address).status_code == 404


def test_nor_can_anything_be_sent_there() -> None:
    client = visit("sam")
    for address in (
        *(f"/compliance/controls/ADM-99/{step}/" for step in ("run", "sign", "except")),
        f"/compliance/attestations/{NOTHING}/withdraw/",
        *(f"/compliance/exceptions/{NOTHING}/{step}/" for step in ("approve", "refuse", "end")),
    ):
        assert client.post(address).status_code == 404, address
    for address in ("/compliance/run/", PAGE + "sign/", PAGE + "except/", PAGE + "run/"):
        assert client.get(address).status_code == 405, address


# ── What the pages show ────────────────────────────────────────────────────────────────────────────────────────


def test_every_page_of_a_control_opens_before_and_after_its_checks() -> None:
    client = visit("sam")
    for one in catalogue.current().controls:
        assert one.title.split(",")[0] in words(client.get(f"/compliance/controls/{one.id}/")).replace("&#x27;", "'")
    for key in catalogue.current().checks:
        kept(key, state=ControlResult.State.FAIL)
    for one in catalogue.current().controls[::10]:
        assert client.get(f"/compliance/controls/{one.id}/").status_code == 200


def test_a_catalogue_that_is_newer_than_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an update, before the first check: with a new control and a new check of an old one."""
    kept("vuln.sla")
    text = catalogue.FILE.read_text().replace("{key: vuln.sla,", "{key: vuln.newer,").replace("APP-05", "APP-06")
    newer = catalogue.parse(text)
    monkeypatch.setattr(catalogue, "current", lambda: newer)
    client = visit("sam")
    assert "vuln.newer" in words(client.get(PAGE))
    assert client.get("/compliance/controls/APP-06/").status_code == 200
    assert "APP-06" in words(client.get("/compliance/?show=all"))


@pytest.mark.parametrize("show", ["work", "gates", "all", "Technical", "", "nonsense", "<script>", "a" * 3000])
def test_filters(show: str) -> None:
    kept("time.sync")
    answer = visit("audra").get("/compliance/", {"show": show})
    assert answer.status_code == 200
    assert "<script>" not in words(answer)
    found = overview.dashboard(cast.audra(), show)
    count = {"gates": 18, "all": 61, "Technical": sum(one.id.startswith("TEC") for one in catalogue.current().controls)}
    assert len(found.lines) == count.get(show, len(overview.dashboard(cast.audra(), "work").lines))
    assert sum(one.current for one in found.filters) == 1
    for one in found.filters:
        assert one.count == len(overview.dashboard(cast.audra(), one.key).lines), one.key


def test_history_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "ON_A_PAGE", 3)
    client = visit("otto")
    assert "has not been made yet" in words(client.get(PAGE + "vuln.sla/"))
    kept("vuln.sla", number=7)
    for page, rows in (("", 3), ("3", 1), ("99", 1), ("0", 1), ("-1", 1), ("x", 3), ("9" * 400, 1)):
        assert words(client.get(PAGE + "vuln.sla/", {"page": page})).count("7 ms") == rows, page


def test_of_many_that_are_not_as_they_should_be_the_rest_is_counted() -> None:
    results.keep(
        key="vuln.sla",
        state=ControlResult.State.FAIL,
        observed="60 of 60",
        subjects=60,
        failing=[f"id-{n}" for n in range(60)],
        started_at=clock.now(),
        duration_ms=1,
    )
    page = words(visit("sam").get(PAGE))
    assert "id-49 and 10 more" in page
    assert "id-50" not in page


# ── Forms ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_signing_keeps_the_document_and_masks_the_words() -> None:
    client = visit("sam")
    assert sign(client, statement=f"Yes. {PHI}", name="Delacroix, MRN 88231904").status_code == 302
    one = Attestation.objects.get()
    assert "Delacroix" not in one.statement
    assert "88231904" not in one.statement + one.artifact_name
    page = words(client.get(PAGE))
    assert "Signed by Sam Sato" in page
    assert one.artifact_sha256[:16] in page
    answer = visit("audra").get(f"/compliance/attestations/{one.pk}/document/")
    assert answer.content == b"%PDF-1.7 "
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")
    assert AuditEvent.objects.filter(object_type="compliance.Attestation", code="sensitive_read").exists()


def test_a_document_that_cannot_be_opened_is_no_fault_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def altered(_: Attestation) -> bytes:
        raise Unsealable

    one = signed()
    monkeypatch.setattr(attestations, "document", altered)
    answer = visit("audra").get(f"/compliance/attestations/{one.pk}/document/", follow=True)
    assert "The document cannot be opened" in words(answer)


@pytest.mark.parametrize("missing", ["statement", "name", "document"])
def test_a_form_that_lacks_something_says_so_and_keeps_the_rest(missing: str) -> None:
    answer = sign(visit("sam"), without=missing, statement="Every risk was looked at.", name="The minutes")
    assert answer.status_code == 200
    assert 'aria-invalid="true"' in words(answer)
    if missing != "statement":
        answer = sign(visit("sam"), without=missing, statement="Every risk was looked at.")
        assert "Every risk was looked at." in words(answer)
    assert not Attestation.objects.exists()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"document": SimpleUploadedFile("a.pdf", b"")}, 200),
        ({"document": "a text and no file"}, 200),
        ({"document": SimpleUploadedFile("big.pdf", bytes(3 * 1024 * 1024))}, 413),
        ({"document": SimpleUploadedFile("just.pdf", bytes(attestations.LARGEST + 1))}, 413),
        ({"statement": "x" * 1001}, 200),
        ({"statement": "   "}, 200),
        ({"statement": "a\0b"}, 200),
        ({"name": "n" * 151}, 200),
    ],
)
def test_bad_input(sent: dict[str, Any], status: int) -> None:
    assert sign(visit("sam"), **sent).status_code == status
    assert not Attestation.objects.exists()


def test_the_wrong_person_signs_nothing() -> None:
    for who in ("pat", "carol"):
        answer = sign(visit(who))
        assert answer.status_code == 302
    assert sign(visit("sam"), page="/compliance/controls/ADM-05/").status_code == 302
    assert not Attestation.objects.exists()
    one = signed()
    visit("pat").post(f"/compliance/attestations/{one.pk}/withdraw/")
    assert Attestation.objects.get().ended_at is None
    visit("sam").post(f"/compliance/attestations/{one.pk}/withdraw/")
    assert Attestation.objects.get().ended_at is not None


GOOD = {"reason": "Not before spring.", "compensating": "By hand.", "days": "30"}


@pytest.mark.parametrize(
    "sent",
    [
        {"reason": ""},
        {"compensating": ""},
        {"days": ""},
        {"days": "0"},
        {"days": "-3"},
        {"days": "91"},
        {"days": "9" * 30},
        {"days": "9" * 5000},
        {"days": "3.5"},
        {"days": "many"},
        {"reason": "x" * 1001},
    ],
)
def test_an_exception_that_is_not_asked_for_rightly(sent: dict[str, str]) -> None:
    answer = visit("pat").post("/compliance/controls/ADM-07/except/", GOOD | sent)
    assert answer.status_code == 200
    assert 'aria-invalid="true"' in words(answer)
    assert not ControlException.objects.exists()


def test_an_exception_from_asking_to_its_end() -> None:
    pat, sam = visit("pat"), visit("sam")
    page = "/compliance/controls/ADM-07/"
    assert pat.post(page + "except/", GOOD | {"reason": PHI}).status_code == 302
    one = ControlException.objects.get()
    assert "Delacroix" not in one.reason
    assert "so somebody else decides" in words(pat.get(page))
    assert "Approve" in words(sam.get(page))
    assert "waits for a second person" in words(sam.get("/compliance/")) or "in the table below" in words(
        sam.get("/compliance/")
    )
    pat.post(f"/compliance/exceptions/{one.pk}/approve/")
    one.refresh_from_db()
    assert one.status == ControlException.Status.REQUESTED
    sam.post(f"/compliance/exceptions/{one.pk}/approve/")
    one.refresh_from_db()
    assert one.status == ControlException.Status.APPROVED
    sam.post(f"/compliance/exceptions/{one.pk}/end/")
    one.refresh_from_db()
    assert one.status == ControlException.Status.ENDED


def test_no_form_for_a_gate_and_none_is_taken() -> None:
    gate = "/compliance/controls/ADM-01/"
    client = visit("pat")
    page = words(client.get(gate))
    assert "no exception is made for it" in page
    assert "except/" not in page
    assert client.post(gate + "except/", GOOD).status_code == 302
    assert not ControlException.objects.exists()
