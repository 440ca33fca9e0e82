"""Every check that is registered is made on a database that patients were spoken of in: none of them tells of one."""

from __future__ import annotations

import json
import logging
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from compliance.controls import catalogue, results, running
from compliance.controls.registry import registered
from compliance.models import Attestation, ControlException, ControlResult, Official, Remark
from tests import cast
from tests.compliance import canary

pytestmark = pytest.mark.django_db


def speak_of(who: canary.Identity) -> None:
    """In everything about a control that takes text, and beside it."""
    text = f"{who.texts[0]} {who.texts[1]}"
    sam = cast.sam()
    Official.objects.create(office=Official.Office.SECURITY, person=sam, since=clock.now(), named_by=cast.carol())
    client = cast.sign_in(Client(), sam)
    told = {"about": "page", "subject": "/library/", "category": "idea", "text": text}
    assert client.post("/feedback/new/", told).status_code == 302
    document = SimpleUploadedFile(f"{who.surname}.txt", text.encode())
    signed = {"statement": text, "name": text[:100], "document": document}
    assert client.post("/compliance/controls/ADM-02/sign/", signed).status_code == 302
    asked = {"reason": text, "compensating": text, "days": "9"}
    assert client.post("/compliance/controls/ADM-02/except/", asked).status_code == 302
    assert (Attestation.objects.count(), ControlException.objects.count(), Remark.objects.count()) == (1, 1, 1)
    asked = {"question": who.texts[0], "submission": str(uuid4())}
    assert cast.sign_in(Client(), cast.alice()).post(reverse("ask"), asked).status_code == 302


def test_no_result_names_a_patient(caplog: pytest.LogCaptureFixture) -> None:
    who = canary.invented()
    speak_of(who)
    people = [getattr(cast, key)() for key in ("alice", "bob", "sam", "carol", "ada")]
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        found = running.run(running.in_order(set(registered()) & set(catalogue.current().checks)))
    said = json.dumps([results.as_dict(one) for one in found], ensure_ascii=False)
    said += "".join(f"{one.getMessage()} {vars(one)}" for one in caplog.records if one.name.startswith("clinchat"))
    names = [*who.values.values(), *(one.name for one in people), *(one.email for one in people)]
    assert [name for name in names if name.casefold() in said.casefold()] == []
    assert ControlResult.objects.count() == len(found) >= 20
