"""A named person signs with a document, for what they answer for, and it ends by itself."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import Error, IntegrityError, connection, transaction

from clinchat.lib import clock
from compliance.access import Role, people
from compliance.controls import attestations, catalogue
from compliance.controls.attestations import NoDocument, NothingToSign, NotOpen, NotTheirs
from compliance.models import Attestation, ControlOwner, Official, User
from tests import cast
from tests.factories import make_user

rolled_back = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
Ended = Attestation.Ended
SECURITY, PRIVACY, MANAGER = "ADM-02", "ADM-03", "ADM-07"
"""Controls of each office: hybrid, attestation, hybrid."""


def sign(owner: User, control: str = SECURITY, document: bytes = b"Minutes of the review") -> Attestation:
    return attestations.attest(
        control_id=control, owner=owner, statement="So it is.", document=document, document_name="Minutes"
    )


def official(person: User, office: Official.Office = Official.Office.SECURITY, **fields: object) -> Official:
    return Official.objects.create(office=office, person=person, named_by=cast.carol(), **fields)


@rolled_back
def test_what_is_signed_is_kept_sealed_with_its_hash_and_its_date() -> None:
    before = clock.now()
    found = sign(cast.sam(), document=b"%PDF-1.7 \x00\xff words")
    kept = Attestation.objects.get()
    assert kept.artifact_sha256 == hashlib.sha256(b"%PDF-1.7 \x00\xff words").hexdigest()
    assert attestations.document(kept) == b"%PDF-1.7 \x00\xff words"
    duty = catalogue.current().by_id[SECURITY].duty
    assert duty is not None
    assert kept.review_by - kept.attested_at == timedelta(days=duty.review_days)
    assert before <= kept.attested_at <= clock.now()
    assert (kept.owner, kept.ended_at, found.pk) == (cast.sam(), None, kept.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT artifact::text FROM compliance_attestation")
        (stored,) = cursor.fetchone()
    assert b"words".hex() not in stored
    assert "words" not in stored
    assert "JVBERi0" not in stored, "base64 of it"


@rolled_back
@pytest.mark.parametrize(("control", "who"), [(SECURITY, "sam"), (PRIVACY, "pat"), (MANAGER, "carol")])
def test_while_nobody_is_named_whoever_holds_the_role_of_the_office_signs(control: str, who: str) -> None:
    for other in {"sam", "pat", "carol", "ada", "audra", "otto", "alice", "mallory"} - {who}:
        with pytest.raises(NotTheirs):
            sign(getattr(cast, other)(), control)
    assert sign(getattr(cast, who)(), control).owner == getattr(cast, who)()


@rolled_back
def test_a_named_official_and_a_named_owner_come_first() -> None:
    second = make_user(roles=[Role.SECURITY_OFFICER])
    official(second)
    with pytest.raises(NotTheirs):
        sign(cast.sam())
    assert sign(second).owner == second
    ControlOwner.objects.create(control=SECURITY, owner=cast.pat())
    for other in (second, cast.sam()):
        with pytest.raises(NotTheirs):
            sign(other)
    assert sign(cast.pat()).owner == cast.pat()


@rolled_back
def test_a_deputy_and_a_former_official_do_not_sign_for_the_official() -> None:
    deputy, former = make_user(roles=[Role.SECURITY_OFFICER]), make_user(roles=[Role.SECURITY_OFFICER])
    official(former, until=clock.now())
    official(cast.sam())
    official(deputy, deputy=True)
    for other in (deputy, former):
        with pytest.raises(NotTheirs):
            sign(other)


@rolled_back
def test_a_closed_account_signs_nothing() -> None:
    sam = cast.sam()
    official(sam)
    people.close(sam, because=User.Closed.SECURITY, by=cast.ada())
    with pytest.raises(NotTheirs):
        sign(sam)


@rolled_back
@pytest.mark.parametrize("control", ["ADM-05", "ADM-09", "XXX-01", ""])
def test_what_checks_alone_show_and_what_does_not_apply_is_not_signed(control: str) -> None:
    with pytest.raises(NothingToSign):
        sign(cast.sam(), control)


@rolled_back
def test_no_document_and_one_that_is_too_large() -> None:
    for document in (b"", bytes(attestations.LARGEST + 1)):
        with pytest.raises(NoDocument):
            sign(cast.sam(), document=document)
    assert not Attestation.objects.exists()
    assert attestations.document(sign(cast.sam(), document=bytes(attestations.LARGEST))) == bytes(attestations.LARGEST)


@rolled_back
def test_the_next_one_takes_its_place() -> None:
    first = sign(cast.sam())
    second = sign(cast.sam(), document=b"Another")
    first.refresh_from_db()
    assert (first.ended_because, second.ended_at) == (Ended.REPLACED, None)
    assert first.ended_at is not None
    assert [one.pk for one in Attestation.objects.live(clock.now())] == [second.pk]


@rolled_back
def test_only_who_signed_takes_it_back_and_only_once() -> None:
    one = sign(cast.sam())
    with pytest.raises(NotTheirs):
        attestations.withdraw(attestation=one, by=cast.carol())
    attestations.withdraw(attestation=one, by=cast.sam())
    with pytest.raises(NotOpen):
        attestations.withdraw(attestation=one, by=cast.sam())
    one.refresh_from_db()
    assert one.ended_because == Ended.WITHDRAWN


@rolled_back
def test_it_lapses_on_its_date() -> None:
    one = sign(cast.sam())
    moment = timedelta(microseconds=1)
    assert Attestation.objects.live(one.review_by - moment).exists()
    assert not Attestation.objects.live(one.review_by).exists()
    assert not Attestation.objects.live(one.attested_at - moment).exists()


def named_another() -> None:
    ControlOwner.objects.create(control=SECURITY, owner=cast.pat())


def lost_the_role() -> None:
    cast.sam().role_assignments.all().delete()


def account_closed() -> None:
    people.close(cast.sam(), because=User.Closed.SECURITY, by=cast.ada())


def official_named() -> None:
    official(make_user(roles=[Role.SECURITY_OFFICER]))


@rolled_back
@pytest.mark.parametrize("happens", [named_another, lost_the_role, account_closed, official_named])
def test_it_ends_when_its_owner_no_longer_answers_for_it(happens: Callable[[], None]) -> None:
    mine, other = sign(cast.sam()), sign(cast.carol(), MANAGER)
    assert attestations.lapse() == 0
    happens()
    assert attestations.lapse() == 1
    mine.refresh_from_db()
    assert mine.ended_because == Ended.OWNER
    assert attestations.lapse() == 0
    other.refresh_from_db()
    assert other.ended_at is None


@rolled_back
@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM compliance_attestation",
        "UPDATE compliance_attestation SET review_by = review_by + interval '9 years'",
        "UPDATE compliance_attestation SET statement = 'Something else'",
        "UPDATE compliance_attestation SET artifact_sha256 = repeat('0', 64)",
        "UPDATE compliance_attestation SET ended_at = NULL WHERE ended_at IS NOT NULL",
        "UPDATE compliance_attestation SET ended_at = now() WHERE ended_at IS NOT NULL",
        "SET LOCAL session_replication_role = replica; UPDATE compliance_attestation SET control = 'ADM-01'",
    ],
)
def test_the_database_keeps_what_was_signed(change: str) -> None:
    attestations.withdraw(attestation=sign(cast.sam()), by=cast.sam())
    sign(cast.sam())
    with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)


@rolled_back
def test_the_database_has_one_open_signature_and_a_date_to_come() -> None:
    now = clock.now()
    sign(cast.sam())
    fields = {"owner": cast.sam(), "statement": "", "artifact_name": "", "artifact_sha256": "", "artifact": ""}
    with pytest.raises(IntegrityError), transaction.atomic():
        Attestation.objects.create(control=SECURITY, attested_at=now, review_by=now + timedelta(days=1), **fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        Attestation.objects.create(control=PRIVACY, attested_at=now, review_by=now, **fields)


@committed
def test_two_signatures_at_once_leave_one_open() -> None:
    sam, barrier = cast.sam(), threading.Barrier(4)
    wrong: list[BaseException] = []

    def one() -> None:
        try:
            barrier.wait(10)
            sign(sam)
        except BaseException as error:  # noqa: BLE001
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert (Attestation.objects.count(), Attestation.objects.filter(ended_at=None).count()) == (4, 1)
