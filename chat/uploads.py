"""Files people send: scanned before anything is kept, read by a worker, and gone once they have become drafts."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import PurePath
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from kombu.exceptions import OperationalError

from chat import shelving, tasks
from chat.corpus import loaders
from chat.corpus.formats import MAX_BYTES
from chat.models import Collection, Document, Upload
from clinchat.lib import clock
from compliance import audit, free_text, masking, phi
from compliance.models import User

logger = logging.getLogger(__name__)

State = Upload.State
LEASE = timedelta(minutes=20)
"""A reader has so long, more than its task may take; past it, it is lost, and another one may take the file."""
NOT_PICKED_UP = timedelta(minutes=1)
"""After so long a file nobody reads is queued again: the queue may have been gone when it came."""
GIVEN_UP = timedelta(hours=1)
"""So old a file whose reader was lost is not tried again: it may be what kills them."""
PROBLEMS_KEPT = 50
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_QUOTED = re.compile("\u201c([^\u201d]*)\u201d")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
LOST = "Reading this file was interrupted again and again, so it was given up. Split it into smaller files."
NOT_CHECKED = "The file could not be checked for patient identifiers, so nothing of it was kept. Upload it again."


class Empty(Exception):
    """The file holds nothing."""


class TooLarge(Exception):
    """The file is larger than MAX_BYTES."""


class Unscanned(Exception):
    """A malware scanner is configured and does not answer, so nothing is taken."""


class Malware(Exception):
    """The scanner knows the file. `signature` is what it calls it."""

    def __init__(self, signature: str) -> None:
        super().__init__()
        self.signature = signature


# ── Taking a file ────────────────────────────────────────────────────────────────────────────────────────────────


def receive(
    *,
    by: User,
    collection: Collection,
    name: str,
    content: bytes,
    ocr: bool = False,
    document: Document | None = None,
) -> Upload:
    """Keep a file until a worker has read it. `document`: it holds the next version of that one.

    The same bytes by the same person, still unread, are the upload there is. Whether the person may is asked before.
    Raises Empty, TooLarge, Unscanned, Malware, and phi.PhiUnavailable for a name that cannot be masked; then nothing is
    kept.
    """
    if document is not None and document.collection_id != collection.pk:
        raise ValueError("the document stands in another collection")
    if not content:
        raise Empty
    if len(content) > MAX_BYTES:
        raise TooLarge
    file_name = masked_name(name)
    scan(content, by)
    digest = hashlib.sha256(content).hexdigest()
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)  # two clicks come one after the other
        waiting = Upload.objects.unread().filter(created_by=by, sha256=digest)
        twin = waiting.filter(collection=collection, document=document, ocr=ocr).defer("content").first()
        if twin is not None:
            return twin
        upload = Upload.objects.create(
            collection=collection,
            document=document,
            file_name=file_name,
            size=len(content),
            sha256=digest,
            ocr=ocr,
            content=content,
            created_by=by,
        )
        transaction.on_commit(partial(_queue, upload.pk))
    return upload


def masked_name(name: str) -> str:
    """The name of a file without its path, masked; what says its format stays. Raises phi.PhiUnavailable."""
    last = _CONTROL.sub("", re.split(r"[\\/]", name)[-1])
    suffix = PurePath(last).suffix
    suffix = suffix if _SUFFIX.fullmatch(suffix) else ""
    stem = " ".join(last.removesuffix(suffix).replace("_", " ").split())  # the masker looks for words
    return (free_text.masked(stem, where="upload-name", longest=240) or "file") + suffix


def scan(content: bytes, by: User) -> None:
    """Ask the malware scanner, where one is configured. Raises Malware, on record, and Unscanned."""
    from chat.corpus import malware

    try:
        malware.scan(content)
    except malware.Found as found:
        audit.record(
            code=audit.Code.INPUT_VALIDATION_FAIL,
            action=audit.Crude.EXECUTE,
            outcome=audit.Outcome.DENIED,
            actor=by,
            object_type="chat.Upload",
            detail={"step": "malware", "signature": found.signature},
        )
        raise Malware(found.signature) from None
    except malware.Unavailable:
        raise Unscanned from None


def _queue(upload_id: UUID) -> None:
    try:
        # What waited longer is queued again by `read_lost`: however busy the queue is, one of it counts.
        tasks.read_upload.apply_async((str(upload_id),), expires=NOT_PICKED_UP.total_seconds())
    except OperationalError as error:
        logger.warning("upload %s not queued: %s", upload_id, type(error).__name__)


# ── Reading it ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Lease:
    """Whoever holds the newest one may end the upload; a reader that was taken for lost may not."""

    upload: Upload

    def end(self, state: Upload.State, problems: Sequence[str]) -> bool:
        """The bytes go. To be called in the transaction that keeps what was read. False: somebody else has it now."""
        held = Upload.objects.filter(pk=self.upload.pk, state=State.READING, deadline_at=self.upload.deadline_at)
        kept = _masked(_bounded(problems))
        return held.update(state=state, problems=kept, content=None, deadline_at=None, read_at=clock.now()) == 1


class _Overtaken(Exception):
    """Another reader took the file; what this one made is taken back."""


def read(upload_id: UUID) -> None:
    """Turn an upload into drafts with their findings, or refuse it in sentences. Any number of readers may be called:
    one reads.
    """
    lease = _take(upload_id)
    if lease is None:
        return
    upload = lease.upload
    reading = loaders.read_bytes(bytes(upload.content or b""), name=upload.file_name, ocr=upload.ocr)
    if reading.problems:
        lease.end(State.REFUSED, [problem.sentence for problem in reading.problems])
        return
    try:
        found = shelving.examined(reading.sources)
        with transaction.atomic():
            remarks = shelving.from_upload(upload=upload, found=found)
            if not lease.end(State.UNDERSTOOD, remarks):
                raise _Overtaken
    except phi.PhiUnavailable:
        lease.end(State.REFUSED, [NOT_CHECKED])
    except shelving.NotTaken as refused:
        lease.end(State.REFUSED, refused.problems)
    except _Overtaken:
        logger.warning("upload %s was taken over by another reader", upload_id)


def _take(upload_id: UUID) -> _Lease | None:
    now = clock.now()
    may_be_read = Q(state=State.RECEIVED) | Q(state=State.READING, deadline_at__lt=now)
    taken = Upload.objects.filter(may_be_read, pk=upload_id).update(state=State.READING, deadline_at=now + LEASE)
    return _Lease(Upload.objects.select_related("collection", "document").get(pk=upload_id)) if taken else None


def give_back(upload_id: UUID) -> None:
    """The reader is known to have died: another one may take the file as soon as `read_lost` looks."""
    Upload.objects.filter(pk=upload_id, state=State.READING).update(deadline_at=clock.now())


def read_lost() -> int:
    """Queue the files again that nobody picked up, or whose reader is lost; give up those it happens to for an hour.

    Returns how many were queued.
    """
    now = clock.now()
    unread = Upload.objects.unread()
    lost = unread.filter(state=State.READING, deadline_at__lt=now)
    for upload in lost.filter(created_at__lt=now - GIVEN_UP).defer("content"):
        with transaction.atomic():
            _Lease(upload).end(State.REFUSED, [LOST])
    waiting = unread.filter(Q(state=State.RECEIVED, created_at__lt=now - NOT_PICKED_UP) | Q(pk__in=lost.values("pk")))
    ids = list(waiting.values_list("pk", flat=True))
    for pk in ids:
        _queue(pk)
    return len(ids)


def _bounded(problems: Sequence[str]) -> list[str]:
    more = len(problems) - PROBLEMS_KEPT
    return [*problems[:PROBLEMS_KEPT], f"{more:,} more."] if more > 0 else list(problems)


def _masked(problems: Sequence[str]) -> list[str]:
    """What they quote of the file, an id or a title, may name a patient."""

    def quoted(match: re.Match[str]) -> str:
        return f"\u201c{masking.note(match[1], where='upload-problem')}\u201d"

    try:
        return [_QUOTED.sub(quoted, problem) for problem in problems]
    except phi.PhiUnavailable:
        return [NOT_CHECKED]
