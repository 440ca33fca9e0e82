"""Certificates: signed, checked with and without the portal, revoked; and nothing forged passes."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pdfplumber
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from compliance.models import AuditEvent, Notice, User
from tests import cast
from tests.training import certified
from training import certificate_files, certificates, enrolments
from training.bank.types import SIX
from training.models import Certificate, Enrolment

pytestmark = pytest.mark.django_db
SLUG = "hipaa"


@pytest.fixture(autouse=True)
def _content() -> None:
    certified.load_content()


def issued(person: User | None = None, slug: str = SLUG) -> Certificate:
    turn = Enrolment.objects.create(person=person or cast.nadia(), slug=slug, completed_at=clock.now())
    return certificates.issue(enrolment=turn, version=enrolments.in_force(slug), percent=92)


def expired() -> Certificate:
    long_ago = clock.now() - timedelta(days=366)
    with mock.patch.object(clock, "now", return_value=long_ago):
        return issued()


def verdict(token: str) -> str:
    return certificates.state(token)[1].value


def test_what_is_signed_is_what_it_says() -> None:
    certificate = issued()
    signed, found = certificates.state(certificate.token)
    assert found is certificates.Verdict.VALID
    assert (signed.id, signed.name, signed.percent) == (certificate.pk, certificate.person.get_full_name(), 92)
    assert (signed.issued, signed.expires) == (certificate.issued_at, certificate.expires_at)
    assert certificate.expires_at - certificate.issued_at == certificates.VALID_FOR


def test_no_letter_can_be_changed_added_or_left_out() -> None:
    token = issued().token
    letters = "Aa0-_.~ é"
    changed = [token[:n] + one + token[n + 1 :] for n in range(len(token)) for one in letters if one != token[n]]
    changed += [token[:n] for n in range(len(token))]
    changed += [token + one for one in ("=", "A", ".", "\n")]
    for one in changed:
        with pytest.raises((certificates.Malformed, certificates.Forged)):
            certificates.verify(one)


def test_no_byte_of_what_is_signed_can_be_flipped() -> None:
    parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in issued().token.split(".")]
    for which in (0, 1):
        for n in range(len(parts[which])):
            flipped = [bytearray(part) for part in parts]
            flipped[which][n] ^= 1 << n % 8
            token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in flipped)
            with pytest.raises(certificates.Forged):
                certificates.verify(token)


def test_another_key_and_another_kind_are_refused() -> None:
    with mock.patch.object(certificates, "_key", Ed25519PrivateKey.generate):
        foreign = certificates.sign({"kind": "certificate"})
    for token in (foreign, str(certificates.revocations()["signed"])):
        with pytest.raises(certificates.Forged):
            certificates.verify(token)


def test_expired_revoked_unknown_and_not_looked_up_are_told_apart() -> None:
    assert verdict(expired().token) == "expired"
    certificate = issued(cast.alice())
    certificates.revoke(certificate=certificate, by=cast.carol(), reason="Answers were passed on")
    assert verdict(certificate.token) == "revoked"
    unknown = certificates.sign(
        json.loads(_payload(certificate.token)) | {"id": "00000000-0000-4000-8000-000000000000"}
    )
    assert verdict(unknown) == "unknown"
    with mock.patch.object(Certificate.objects, "filter", side_effect=OperationalError):
        assert verdict(issued(cast.bob()).token) == "unchecked"


def _payload(token: str) -> bytes:
    part = token.split(".", maxsplit=1)[0]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_the_sixth_completes_the_certificate_of_all_and_revoking_one_takes_it_away() -> None:
    nadia = cast.nadia()
    for slug in SIX[:-1]:
        issued(nadia, slug)
    assert not Certificate.objects.filter(slug="").exists()
    last = issued(nadia, SIX[-1])
    overall = Certificate.objects.get(slug="")
    assert overall.expires_at <= last.expires_at
    assert verdict(overall.token) == "valid"
    certificates.revoke(certificate=last, by=cast.carol(), reason="Answers were passed on")
    assert verdict(overall.token) == "revoked"
    with pytest.raises(certificates.AlreadyRevoked):
        certificates.revoke(certificate=last, by=cast.carol(), reason="Again")
    assert Notice.objects.filter(user=nadia, title="A certificate was revoked").count() == 1


def test_nobody_revokes_their_own() -> None:
    with pytest.raises(certificates.Oneself):
        certificates.revoke(certificate=issued(cast.carol()), by=cast.carol(), reason="Why not")


# ── Pages ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_owner_and_overseers_see_it_and_a_colleague_does_not() -> None:
    certificate = issued()
    address = certificate.get_absolute_url()
    for key, status in (("nadia", 200), ("dora", 200), ("carol", 200), ("bob", 404), ("mallory", 403)):
        client = cast.sign_in(Client(), getattr(cast, key)())
        assert client.get(address).status_code == status, key
        if status == 200:
            assert client.get(f"{address}qr/")["Content-Type"] == "image/svg+xml"
    read = AuditEvent.objects.filter(code="sensitive_read", object_type="training.Certificate")
    assert set(read.values_list("actor_name", flat=True)) == {cast.dora().name, cast.carol().name}
    assert AuditEvent.objects.filter(code="authz_fail", actor_id=cast.bob().pk).exists()


def test_the_pdf_names_the_person_in_their_own_letters() -> None:
    nadia = cast.nadia()
    nadia.name, nadia.title = "Đặng Thị Ánh 王", ""
    nadia.save()
    client = cast.sign_in(Client(), nadia)
    response = client.get(f"{issued(nadia).get_absolute_url()}pdf/")
    assert response["Content-Type"] == "application/pdf"
    text = pdfplumber.open(io.BytesIO(response.content)).pages[0].extract_text()
    assert "Đặng Thị Ánh ?" in text
    assert "92 percent" in text


def test_revoking_needs_the_right_role_a_reason_and_fresh_proof() -> None:
    address = f"{issued().get_absolute_url()}revoke/"
    assert cast.sign_in(Client(), cast.dora()).post(address, {"reason": "Why"}).status_code == 403
    stale = cast.sign_in(Client(), cast.carol(), proved=False).post(address, {"reason": "Why"})
    assert stale["Location"].startswith(reverse("signin-again"))
    carol = cast.sign_in(Client(), cast.carol())
    assert carol.post(address, {"reason": ""}).status_code == 422
    assert not Certificate.objects.filter(revoked_at__isnull=False).exists()
    carol.post(address, {"reason": "For patient John Smith, MRN 00482913"})
    assert "00482913" not in Certificate.objects.get(revoked_at__isnull=False).revoke_reason


def test_anybody_can_check_one_and_learns_no_more_than_it_says() -> None:
    certificate = issued()
    client = Client()
    page = client.get(reverse("verify-token", args=[certificate.token])).content.decode()
    assert certificate.person.get_full_name() in page
    assert certificate.person.email not in page
    shown = page.split("<main")[1].split("</main")[0].split("Number")[0].replace(certificate.token, "")
    assert not re.search(r"\b92\b", shown)
    pasted = client.post(reverse("verify"), {"token": f"  {certificate_files.public_address(certificate)}\n"})
    assert "Genuine, in date and not revoked" in pasted.content.decode()
    assert "Not a certificate" in client.post(reverse("verify"), {"token": "<script>"}).content.decode()
    assert client.post(reverse("verify"), {"token": ""}).status_code == 422


# ── Without the portal ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_program_checks_offline(tmp_path: Path) -> None:
    client = Client()
    packed = io.BytesIO(client.get(reverse("verify-program")).content)
    zipfile.ZipFile(packed).extractall(tmp_path)
    key = tmp_path / "clinchat-certificate-key.txt"
    assert key.read_text() == client.get(reverse("verify-key")).content.decode()
    good, old, gone = issued(), expired(), issued(cast.alice())
    certificates.revoke(certificate=gone, by=cast.carol(), reason="Answers were passed on")
    listed = tmp_path / "revoked.json"
    listed.write_bytes(client.get(reverse("verify-revoked")).content)
    forged = ("B" if good.token[0] != "B" else "C") + good.token[1:]

    def run(token: str, *more: str) -> int:
        command = [sys.executable, "-I", str(tmp_path / "verify_certificate.py"), token, "--key", str(key), *more]
        return subprocess.run(command, capture_output=True, check=False).returncode

    revoked = ("--revoked", str(listed))
    assert run(good.token, *revoked) == 0
    assert run(forged, *revoked) == 1
    assert run("nothing") == 1
    assert run(old.token) == 3
    assert run(gone.token, *revoked) == 4
    listed.write_text(json.dumps({"signed": good.token}))
    assert run(gone.token, *revoked) == 1
    assert run(good.token, "--revoked", str(tmp_path / "missing")) == 2
