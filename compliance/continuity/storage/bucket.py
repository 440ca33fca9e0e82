"""A store in an S3 bucket, of Amazon's or of a service with the same protocol (CLINCHAT_S3_URL).

Where the bucket has object lock, retention is a lock in compliance mode: not even the owner of the bucket can delete
earlier. Elsewhere it is the tag "keep-until" of the object, which only this program respects.

The account needs s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload, GetObjectTagging, PutObjectTagging and
ListBucket, ListBucketMultipartUploads, GetBucketObjectLockConfiguration; for a bucket with versions or lock also
ListBucketVersions, DeleteObjectVersion, GetObjectRetention and PutObjectRetention.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from clinchat.lib import clock
from compliance.continuity.refusals import Absent, Retained, StoreFailed
from compliance.continuity.storage.stores import CHUNK_BYTES, Entry, valid_name

CANARY = "canary/"
"""Prefix of test objects by which a control checks that a lock holds: the only objects `force_delete` takes."""
_TAG = "keep-until"
_MIB = 1024 * 1024
_MIN_PART, _MAX_PART = 16 * _MIB, 256 * _MIB
"""Bytes of one part of a multipart upload; one part is held in memory. Parts grow, as S3 takes at most 10,000."""
_NO_OBJECT_LOCK = {"ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed"}
_NOT_FOUND = {"NoSuchKey", "404"}


class Bucket:
    def __init__(self, location: str) -> None:
        parts = urlsplit(location)
        self.name = location
        self._bucket = parts.netloc
        self._prefix = f"{path}/" if (path := parts.path.strip("/")) else ""

    @cached_property
    def _s3(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=settings.S3_URL or None,
            region_name=settings.S3_REGION,
            aws_access_key_id=settings.S3_ACCESS_KEY or None,
            aws_secret_access_key=settings.S3_SECRET_KEY or None,
            config=Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 5}),
        )

    @cached_property
    def enforces_retention(self) -> bool:
        with self._as_store_failed():
            try:
                found = self._s3.get_object_lock_configuration(Bucket=self._bucket)
            except self._s3.exceptions.ClientError as error:
                if _code(error) in _NO_OBJECT_LOCK:
                    return False
                raise
        return bool(found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")

    def put(self, name: str, chunks: Iterable[bytes], *, keep_until: datetime | None = None) -> int:
        self._require_not_retained(name)
        size, response = self._upload(self._object_args(name), _parts(chunks))
        if keep_until is not None:
            self.retain(name, keep_until)
        elif response.get("VersionId", "null") != "null":
            self._remove_versions(name, keep_version=response["VersionId"])  # the replaced one is not retained
        return size

    def retain(self, name: str, until: datetime) -> None:
        current = self._retained_until(name, missing=Absent(f"{name} is not in {self.name}."))
        if current is not None and current >= until:
            return
        with self._as_store_failed():
            if self.enforces_retention:
                retention = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
                self._s3.put_object_retention(**self._object_args(name), Retention=retention)
            else:
                tag = {"Key": _TAG, "Value": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
                self._s3.put_object_tagging(**self._object_args(name), Tagging={"TagSet": [tag]})

    def open(self, name: str) -> Iterator[bytes]:
        with self._as_store_failed():
            try:
                body = self._s3.get_object(**self._object_args(name))["Body"]
            except self._s3.exceptions.ClientError as error:
                if _code(error) in _NOT_FOUND:
                    raise Absent(f"{name} is not in {self.name}.") from None
                raise
            try:
                yield from body.iter_chunks(CHUNK_BYTES)
            finally:
                body.close()

    def list(self, prefix: str = "") -> Iterator[Entry]:
        with self._as_store_failed():
            pages = self._s3.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for item in page.get("Contents", ()):
                    yield Entry(item["Key"].removeprefix(self._prefix), item["Size"], item["LastModified"])

    def delete(self, name: str) -> None:
        self._require_not_retained(name)
        try:
            with self._as_store_failed():
                self._s3.delete_object(**self._object_args(name))
            self._remove_versions(name)
        except StoreFailed:
            if self.enforces_retention:
                raise Retained(f"{name} in {self.name} is locked.") from None
            raise

    def force_delete(self, name: str) -> None:
        """Try to delete a test object below CANARY despite its retention.

        Raises Retained where the bucket refuses, which shows that its lock works.
        """
        if not name.startswith(CANARY):
            raise ValueError(name)
        try:
            self._remove_versions(name)
        except StoreFailed:
            raise Retained(f"{name} in {self.name} is locked.") from None

    def remove_unfinished(self, before: datetime) -> int:
        aborted = 0
        with self._as_store_failed():
            pages = self._s3.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for item in page.get("Uploads", ()):
                    if item["Initiated"] < before:
                        upload = {"Bucket": self._bucket, "Key": item["Key"], "UploadId": item["UploadId"]}
                        self._s3.abort_multipart_upload(**upload)
                        aborted += 1
        return aborted

    def _object_args(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + valid_name(name)}

    def _upload(self, args: dict[str, Any], parts: Iterator[bytes]) -> tuple[int, dict[str, Any]]:
        """Upload one part as a plain object, more as a multipart upload; returns the size, and the response of S3."""
        first, second = next(parts, b""), next(parts, None)
        if second is None:
            with self._as_store_failed():
                return len(first), self._s3.put_object(**args, Body=first)
        with self._as_store_failed():
            upload = {**args, "UploadId": self._s3.create_multipart_upload(**args)["UploadId"]}
        try:
            size, sent = 0, []
            for number, part in enumerate(chain((first, second), parts), 1):
                with self._as_store_failed():
                    response = self._s3.upload_part(**upload, PartNumber=number, Body=part)
                tags = {key: value for key, value in response.items() if key == "ETag" or key.startswith("ChecksumC")}
                sent.append({"PartNumber": number, **tags})
                size += len(part)
            with self._as_store_failed():
                return size, self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": sent})
        except BaseException:
            with suppress(StoreFailed), self._as_store_failed():
                self._s3.abort_multipart_upload(**upload)
            raise

    def _require_not_retained(self, name: str) -> None:
        """Raises Retained while the object is under retention."""
        until = self._retained_until(name)
        if until is not None and until > clock.now():
            raise Retained(f"{name} in {self.name} is kept until {until:%Y-%m-%d %H:%M} UTC.")

    def _retained_until(self, name: str, *, missing: Absent | None = None) -> datetime | None:
        """The end of its retention, or None. Where there is no such object, raises `missing`, if given."""
        with self._as_store_failed():
            try:
                if self.enforces_retention:
                    head = self._s3.head_object(**self._object_args(name))
                    until: datetime | None = head.get("ObjectLockRetainUntilDate")
                    return until
                tags = self._s3.get_object_tagging(**self._object_args(name))["TagSet"]
            except self._s3.exceptions.ClientError as error:
                if _code(error) not in _NOT_FOUND:
                    raise
                if missing is not None:
                    raise missing from None
                return None
        found = [tag["Value"] for tag in tags if tag["Key"] == _TAG]
        return datetime.fromisoformat(found[0]) if found else None

    def _remove_versions(self, name: str, *, keep_version: str | None = None) -> None:
        """Delete all versions and delete markers of an object but `keep_version`, and any without an id ("null")."""
        args = self._object_args(name)
        with self._as_store_failed():
            pages = self._s3.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self._bucket, Prefix=args["Key"]):
                for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    if item["Key"] == args["Key"] and item["VersionId"] not in {keep_version, "null"}:
                        self._s3.delete_object(**args, VersionId=item["VersionId"])

    @contextmanager
    def _as_store_failed(self) -> Iterator[None]:
        """Turn the exceptions of boto3 into StoreFailed."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            raise StoreFailed(f"The store {self.name} refused: {_REFUSED.get(_code(error), _code(error))}.") from None
        except BotoCoreError as error:
            kind = type(error).__name__
            raise StoreFailed(f"The store {self.name} was not reached: {_UNREACHED.get(kind, kind)}.") from None


_ACCOUNT: Final = "it does not know our account, or that may not do this"
_REFUSED: Final = {
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": _ACCOUNT,
    "InvalidAccessKeyId": _ACCOUNT,
    "SignatureDoesNotMatch": "the secret key is not the one of our account",
    "403": _ACCOUNT,
    "404": "there is no such bucket",
}
"""Error codes of S3 in words for an operator; others are shown as they are."""
_UNREACHED: Final = {
    "EndpointConnectionError": "nothing answers at its address",
    "ConnectionClosedError": "it ended the connection",
    "ConnectTimeoutError": "no way leads there",
    "ReadTimeoutError": "it takes connections and does not answer",
    "NoCredentialsError": "no access key for it is configured",
    "SSLError": "its certificate is not one that is trusted here",
}


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Join `chunks` into parts of an upload. The last may be smaller; no chunks give no part."""
    buffer, number = bytearray(), 0
    for chunk in chunks:
        buffer += chunk
        size = min(_MIN_PART << number // 1000, _MAX_PART)
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
            number += 1
    if buffer:
        yield bytes(buffer)
