"""The values behind the tokens of a conversation, sealed one by one."""

from __future__ import annotations

from typing import Any

from django.db import models

from clinchat.lib import clock
from clinchat.lib.sealed_field import SealedField


class ScopedField(SealedField):
    """Text sealed for its row, and beneath that with the data key of the row's `scope` (compliance.data_keys).

    Once that key is destroyed the text reads as empty, and is noise in every copy of the row there ever was.
    """

    def closed(self, instance: Any, text: str) -> bytes:
        from compliance import data_keys

        return data_keys.shut(instance.scope, text, aad=self.place(instance)) if text else b""

    def opened(self, instance: Any, data: bytes) -> str:
        from compliance import data_keys

        return data_keys.read(data, aad=self.place(instance))


class VaultEntry(models.Model):
    """One identifier of one conversation, in one of its spellings. Only `compliance.vault` reads or writes it.

    Past its retention the row stays, for its token is not to be given out again, but the value is gone.
    """

    scope = models.UUIDField(help_text="The conversation.")
    token = models.CharField(max_length=40)
    spelling = models.PositiveSmallIntegerField(
        default=0, help_text="Which way of writing the value this is; 0 is the one met first."
    )
    label = models.CharField(max_length=20)
    value = ScopedField(bound_to=("scope", "token"), db_column="sealed")
    blind_index = models.BinaryField(max_length=32, help_text="Keyed digest of the value: equality without opening.")
    patient = models.CharField(
        max_length=20, blank=True, help_text="Pseudonym of the patient, where the value is their record number."
    )
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "token", "spelling"], name="vault_entry_token")]
        indexes = [models.Index(fields=["blind_index"], name="vault_entry_blind_index")]

    def __str__(self) -> str:
        return f"{self.scope} {self.token}"
