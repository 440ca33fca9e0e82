"""Key-encryption keys in AWS KMS (symmetric keys). Region and credentials are boto3's: role of the machine, AWS_….

The role needs kms:Encrypt and kms:Decrypt on the key. The place a value belongs to is the encryption context, which
CloudTrail records: names of tables and columns, ids of rows and tokens such as [NAME-1], never a value.
A key's id is kms:ARN; KMS renews what is behind an ARN by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings

from clinchat.lib.keys import KeptElsewhere, KeysUnavailable, Unsealable
from clinchat.lib.keys.recent import OfThisThread, Recent

T = TypeVar("T")
PREFIX = "kms:"
REFUSED = {"InvalidCiphertextException", "IncorrectKeyException", "NotFoundException"}
"""What KMS calls a value that was made by another key or for another place, and a key it never had."""


class KmsKeys:
    def __init__(self) -> None:
        self._own = OfThisThread()
        self._recent = Recent()

    def current(self) -> str:
        return f"{PREFIX}{settings.KMS_KEY_IDS[0]}"

    def made_at(self) -> datetime | None:
        """Needs kms:DescribeKey. What KMS renews by itself keeps the day its ARN was made."""
        arn = settings.KMS_KEY_IDS[0]
        try:
            found: datetime = self._ask(arn, lambda kms: kms.describe_key(KeyId=arn)["KeyMetadata"]["CreationDate"])
        except Unsealable:  # there is no such key
            raise KeysUnavailable from None
        return found

    def powers(self) -> list[str] | None:
        """AWS tells a role what it may do only by letting it do it."""
        return None

    def wrap(self, data_key: bytes, *, aad: bytes) -> tuple[str, bytes]:
        arn, place = settings.KMS_KEY_IDS[0], _context(aad)
        try:
            wrapped: bytes = self._ask(
                arn, lambda kms: kms.encrypt(KeyId=arn, Plaintext=data_key, EncryptionContext=place)["CiphertextBlob"]
            )
        except Unsealable:  # there is no such key
            raise KeysUnavailable from None
        self._recent.put(data_key, self.current().encode(), wrapped, aad)
        return self.current(), wrapped

    def unwrap(self, key_id: str, wrapped: bytes, *, aad: bytes) -> bytes:
        arn, place = key_id.removeprefix(PREFIX), _context(aad)
        if arn not in settings.KMS_KEY_IDS:  # whoever can write to the database must not bring a key of their own
            raise Unsealable
        about = key_id.encode(), wrapped, aad
        if (known := self._recent.get(*about)) is not None:
            return known
        data_key: bytes = self._ask(
            arn, lambda kms: kms.decrypt(KeyId=arn, CiphertextBlob=wrapped, EncryptionContext=place)["Plaintext"]
        )
        self._recent.put(data_key, *about)
        return data_key

    def renew(self) -> str:
        raise KeptElsewhere(
            "KMS renews its keys itself: aws kms enable-key-rotation. For another key put its ARN in front in "
            "CLINCHAT_KMS_KEYS, start every process anew, then run this command without --new."
        )

    def retire(self, used: Collection[str]) -> list[str]:
        raise KeptElsewhere("KMS keeps and removes its keys itself: aws kms schedule-key-deletion.")

    def _ask(self, arn: str, call: Callable[[Any], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call(self._client(arn.split(":")[3]))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in REFUSED:
                raise Unsealable from None
            raise KeysUnavailable from None
        except (BotoCoreError, OSError, KeyError):
            raise KeysUnavailable from None

    def _client(self, region: str) -> Any:
        clients: dict[str, Any] = self._own.clients()
        if region not in clients:
            import boto3
            from botocore.config import Config

            quick = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"})
            clients[region] = boto3.session.Session().client("kms", region_name=region, config=quick)
        return clients[region]


def _context(aad: bytes) -> dict[str, str]:
    return {"place": aad.decode()}
