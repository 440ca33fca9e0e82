"""Backups in a bucket of Amazon S3, or of a service that speaks its protocol (CLINCHAT_S3_URL).

Where the bucket has object lock, what is kept until a time is locked in compliance mode: not even the owner of the
bucket can delete it before. Elsewhere the time stands in a tag, which binds this program alone.

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
from compliance.continuity.refusals import Absent, Kept, StoreFailed
from compliance.continuity.storage.stores import PIECE, Entry, checked

CANARY = "canary/"
"""What is put into a bucket to see whether it can be deleted. Nothing else is ever forced."""
_TAG = "keep-until"
_MIB = 1024 * 1024
_SMALLEST, _LARGEST = 16 * _MIB, 256 * _MIB
"""Bytes of one part of an upload, which is what is held in memory. S3 takes 10,000 parts: they grow with the upload."""
_NO_LOCK = {"ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed"}
_NOT_THERE = {"NoSuchKey", "404"}


class Bucket:
    def __init__(self, where: str) -> None:
        parts = urlsplit(where)
        self.name = where
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
    def locks(self) -> bool:
        with self._as_store_failed():
            try:
                found = self._s3.get_object_lock_configuration(Bucket=self._bucket)
            except self._s3.exceptions.ClientError as error:
                if _code(error) in _NO_LOCK:
                    return False
                raise
        return bool(found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")

    def put(self, name: str, chunks: Iterable[bytes], *, keep_until: datetime | None = None) -> int:
        self._require_free(name)
        size, made = self._upload(self._at(name), _parts(chunks))
        if keep_until is not None:
            self.keep(name, keep_until)
        elif made.get("VersionId", "null") != "null":
            self._remove_versions(name, but=made["VersionId"])  # what is replaced is gone
        return size

    def keep(self, name: str, until: datetime) -> None:
        kept = self._kept_until(name, missing=Absent(f"{name} is not in {self.name}."))
        if kept is not None and kept >= until:
            return
        with self._as_store_failed():
            if self.locks:
                retention = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
                self._s3.put_object_retention(**self._at(name), Retention=retention)
            else:
                tag = {"Key": _TAG, "Value": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
                self._s3.put_object_tagging(**self._at(name), Tagging={"TagSet": [tag]})

    def open(self, name: str) -> Iterator[bytes]:
        with self._as_store_failed():
            try:
                body = self._s3.get_object(**self._at(name))["Body"]
            except self._s3.exceptions.ClientError as error:
                if _code(error) in _NOT_THERE:
                    raise Absent(f"{name} is not in {self.name}.") from None
                raise
            try:
                yield from body.iter_chunks(PIECE)
            finally:
                body.close()

    def list(self, prefix: str = "") -> Iterator[Entry]:
        with self._as_store_failed():
            pages = self._s3.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for one in page.get("Contents", ()):
                    yield Entry(one["Key"].removeprefix(self._prefix), one["Size"], one["LastModified"])

    def delete(self, name: str) -> None:
        self._require_free(name)
        try:
            with self._as_store_failed():
                self._s3.delete_object(**self._at(name))
            self._remove_versions(name)
        except StoreFailed:
            if self.locks:
                raise Kept(f"{name} in {self.name} is locked.") from None
            raise

    def force(self, name: str) -> None:
        """Try to delete a canary whatever time it is kept for. Raises Kept where the bucket itself refuses, which is
        how one knows that it does."""
        if not name.startswith(CANARY):
            raise ValueError(name)
        try:
            self._remove_versions(name)
        except StoreFailed:
            raise Kept(f"{name} in {self.name} is locked.") from None

    def sweep(self, before: datetime) -> int:
        swept = 0
        with self._as_store_failed():
            pages = self._s3.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for one in page.get("Uploads", ()):
                    if one["Initiated"] < before:
                        which = {"Bucket": self._bucket, "Key": one["Key"], "UploadId": one["UploadId"]}
                        self._s3.abort_multipart_upload(**which)
                        swept += 1
        return swept

    def _at(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + checked(name)}

    def _upload(self, at: dict[str, Any], parts: Iterator[bytes]) -> tuple[int, dict[str, Any]]:
        """At once what is one part, in parts what is more."""
        first, second = next(parts, b""), next(parts, None)
        if second is None:
            with self._as_store_failed():
                return len(first), self._s3.put_object(**at, Body=first)
        with self._as_store_failed():
            which = {**at, "UploadId": self._s3.create_multipart_upload(**at)["UploadId"]}
        try:
            size, sent = 0, []
            for number, part in enumerate(chain((first, second), parts), 1):
                with self._as_store_failed():
                    done = self._s3.upload_part(**which, PartNumber=number, Body=part)
                sums = {key: value for key, value in done.items() if key == "ETag" or key.startswith("ChecksumC")}
                sent.append({"PartNumber": number, **sums})
                size += len(part)
            with self._as_store_failed():
                return size, self._s3.complete_multipart_upload(**which, MultipartUpload={"Parts": sent})
        except BaseException:
            with suppress(StoreFailed), self._as_store_failed():
                self._s3.abort_multipart_upload(**which)
            raise

    def _require_free(self, name: str) -> None:
        """Raises Kept before its time."""
        kept = self._kept_until(name)
        if kept is not None and kept > clock.now():
            raise Kept(f"{name} in {self.name} is kept until {kept:%Y-%m-%d %H:%M} UTC.")

    def _kept_until(self, name: str, *, missing: Absent | None = None) -> datetime | None:
        with self._as_store_failed():
            try:
                if self.locks:
                    until: datetime | None = self._s3.head_object(**self._at(name)).get("ObjectLockRetainUntilDate")
                    return until
                tags = self._s3.get_object_tagging(**self._at(name))["TagSet"]
            except self._s3.exceptions.ClientError as error:
                if _code(error) not in _NOT_THERE:
                    raise
                if missing is not None:
                    raise missing from None
                return None
        found = [tag["Value"] for tag in tags if tag["Key"] == _TAG]
        return datetime.fromisoformat(found[0]) if found else None

    def _remove_versions(self, name: str, *, but: str | None = None) -> None:
        """Remove the versions of it that the bucket keeps, `but` one."""
        at = self._at(name)
        with self._as_store_failed():
            pages = self._s3.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self._bucket, Prefix=at["Key"]):
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    if one["Key"] == at["Key"] and one["VersionId"] not in {but, "null"}:
                        self._s3.delete_object(**at, VersionId=one["VersionId"])

    @contextmanager
    def _as_store_failed(self) -> Iterator[None]:
        """What the service answers, or that it does not, as a refusal in our words."""
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
"""What its codes mean to an operator; others are shown as they are."""
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
    """Parts of an upload. The last may be of any size; none comes for nothing."""
    waiting, number = bytearray(), 0
    for chunk in chunks:
        waiting += chunk
        size = min(_SMALLEST << number // 1000, _LARGEST)
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
            number += 1
    if waiting:
        yield bytes(waiting)
