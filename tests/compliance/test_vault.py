"""The vault: sealed at rest, bound to its conversation, opened for the author alone."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction

from clinchat.lib import sealed
from compliance import vault
from compliance.models import AuditEvent, Code, Outcome, VaultEntry
from compliance.phi import Entity, Label
from tests import cast

pytestmark = pytest.mark.django_db

SCOPE = uuid.uuid4()
ENTITIES = (
    Entity(token="[NAME-1]", label=Label.NAME, value="Zebulon Quixworth"),
    Entity(token="[MRN-1]", label=Label.MRN, value="MRN 77-31-9"),
)


def blob_of(entry: VaultEntry) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed FROM compliance_vaultentry WHERE id = %s", [entry.pk])
        return bytes(cursor.fetchone()[0])


def test_what_is_stored_comes_back_in_order() -> None:
    vault.store(SCOPE, ENTITIES)
    assert vault.known(SCOPE) == ENTITIES
    assert vault.known(uuid.uuid4()) == ()


def test_no_row_holds_a_value() -> None:
    vault.store(SCOPE, ENTITIES)
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text, t.sealed, t.blind_index FROM compliance_vaultentry t")
        rows = cursor.fetchall()
    assert len(rows) == 2
    for text, *blobs in rows:
        for word in ("Zebulon", "Quixworth", "77-31-9"):
            assert word not in text
            assert not any(word.encode() in bytes(blob) for blob in blobs)


def test_same_value_is_sealed_differently_and_indexed_alike() -> None:
    other = uuid.uuid4()
    vault.store(SCOPE, ENTITIES[:1])
    vault.store(other, [Entity(token="[NAME-1]", label=Label.NAME, value="ZEBULON QUIXWORTH")])
    first, second = VaultEntry.objects.order_by("pk")
    assert blob_of(first) != blob_of(second)
    assert bytes(first.blind_index) == bytes(second.blind_index)


@pytest.mark.parametrize("moved_to", [{"scope": uuid.uuid4()}, {"token": "[NAME-9]"}])
def test_row_moved_elsewhere_does_not_open(moved_to: dict[str, object]) -> None:
    vault.store(SCOPE, ENTITIES[:1])
    VaultEntry.objects.update(**moved_to)
    with pytest.raises(sealed.Unsealable):
        vault.known(moved_to.get("scope", SCOPE))  # type: ignore[arg-type]


def test_altered_bytes_do_not_open() -> None:
    vault.store(SCOPE, ENTITIES[:1])
    blob = bytearray(blob_of(VaultEntry.objects.get()))
    blob[-1] ^= 1
    VaultEntry.objects.update(value=bytes(blob))
    with pytest.raises(sealed.Unsealable):
        vault.known(SCOPE)


def test_token_is_taken_once() -> None:
    vault.store(SCOPE, ENTITIES)
    with pytest.raises(IntegrityError), transaction.atomic():
        vault.store(SCOPE, ENTITIES[:1])


def test_author_opens_it_on_record() -> None:
    alice = cast.alice()
    vault.store(SCOPE, ENTITIES)
    assert vault.open_for(alice, scope=SCOPE, author_id=alice.pk) == ENTITIES
    event = AuditEvent.objects.get(code=Code.SENSITIVE_READ)
    assert (event.actor_id, event.object_id, event.detail) == (alice.pk, str(SCOPE), {"values": 2})
    assert "Quixworth" not in str(vars(event))


def test_nobody_else_opens_it_and_the_try_is_on_record() -> None:
    alice = cast.alice()
    vault.store(SCOPE, ENTITIES)
    for stranger in (cast.bob(), cast.dora(), cast.pat(), cast.ada(), cast.mallory(), AnonymousUser()):
        with pytest.raises(PermissionDenied):
            vault.open_for(stranger, scope=SCOPE, author_id=alice.pk)
    denied = AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, outcome=Outcome.DENIED, object_id=str(SCOPE))
    assert denied.count() == 6
    assert not AuditEvent.objects.filter(code=Code.SENSITIVE_READ).exists()


def test_conversation_without_identifiers_leaves_no_read() -> None:
    alice = cast.alice()
    assert vault.open_for(alice, scope=SCOPE, author_id=alice.pk) == ()
    assert not AuditEvent.objects.filter(code=Code.SENSITIVE_READ).exists()
