"""A model field whose text is sealed in the database and open in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from clinchat.lib import sealed
from clinchat.lib.keys import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    SealedFieldBase = models.BinaryField[str, str]
else:
    SealedFieldBase = models.BinaryField


class _Closed:
    """What the database returned, not opened yet."""

    def __init__(self, blob: bytes) -> None:
        self.blob = blob


class _Opening:
    """Opens the value when it is first asked for: only then is it known which row it is in."""

    def __init__(self, field: SealedField) -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type[models.Model] | None = None) -> Any:
        if instance is None:
            return self
        name = self.field.attname
        if name not in instance.__dict__:
            instance.refresh_from_db(fields=[name])  # it was deferred
        value = instance.__dict__[name]
        if isinstance(value, _Closed):
            value = self.field.opened(instance, sealed.unseal(value.blob, aad=self.field.place(instance)))
            instance.__dict__[name] = value
        return value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class SealedField(SealedFieldBase):
    """Text sealed with AES-256-GCM for its table, column and row (clinchat.lib.sealed).

    `bound_to` names the fields that say which row it is; they must be set before the row is saved and never change
    after. A value that was moved here from another row raises Unsealable when it is read: it never comes back as if it
    were the value. Cannot be searched; for equality keep a `sealed.blind_index` beside it.
    """

    def __init__(self, *args: Any, bound_to: Sequence[str] = ("pk",), **kwargs: Any) -> None:
        self.bound_to = tuple(bound_to)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        if self.bound_to != ("pk",):
            kwargs["bound_to"] = self.bound_to
        return name, path, args, kwargs

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _Opening(self))

    def place(self, instance: models.Model) -> bytes:
        """Table, column and row, as the seal is bound to them."""
        row = ":".join(str(instance.pk if name == "pk" else getattr(instance, name)) for name in self.bound_to)
        return f"{self.model._meta.db_table}.{self.column}:{row}".encode()  # noqa: SLF001  # documented by Django

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return None if value is None else _Closed(bytes(value))

    def get_default(self) -> Any:
        return "" if not self.has_default() and not self.null else super().get_default()

    def to_python(self, value: Any) -> Any:
        return value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, _Closed):  # was never opened: it stays as it is, but not under a key that is to go
            if value.blob.startswith(sealed.head(keys().current())):
                return value.blob
            return sealed.rewrap(value.blob, aad=self.place(model_instance))
        if value is None:
            return None
        return sealed.seal(self.closed(model_instance, str(value)), aad=self.place(model_instance))

    def closed(self, instance: models.Model, text: str) -> bytes:
        """What is sealed for a text. A field that has a key of its own beneath the seal says so here, and below."""
        return text.encode()

    def opened(self, instance: models.Model, data: bytes) -> str:
        """The text that `closed` made `data` of."""
        return data.decode()

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Only sealed bytes reach the database: update() and bulk_update() do not know the row and cannot seal."""
        if isinstance(value, str):
            raise TypeError("Save the object: a sealed value is sealed for its row.")
        return super().get_db_prep_value(value, connection, prepared)

    def value_to_string(self, obj: models.Model) -> str:
        raise TypeError("A sealed value is not written into a fixture.")
