"""Releases: the one way by which what a collection answers from changes.

A release is prepared as a list of changes, and becomes what is searched in one transaction. A question asked meanwhile
sees the collection as it was. Before the transaction ends the collection's labeled questions are asked of it as it
would be; when the answers are worse than before, everything is taken back and the comparison is kept. A withdrawal is
not held up by that, nor is going back to what was searched before.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Max, OuterRef
from kombu.exceptions import OperationalError

from chat import changed_sources, gate
from chat.corpus import index, sparse, vectors
from chat.models import (
    Collection,
    Document,
    DocumentVersion,
    Evaluation,
    Listing,
    Release,
    ReleaseChange,
)
from clinchat.lib import clock
from compliance.models import User

logger = logging.getLogger(__name__)

Kind = Release.Kind
State = Release.State
Status = DocumentVersion.Status


class NotReady(Exception):
    """Passages of the release are not embedded yet. `waiting` says how many."""

    def __init__(self, waiting: int) -> None:
        super().__init__(waiting)
        self.waiting = waiting


class Fallen(Exception):
    """The labeled questions are answered worse than before; nothing was published. `evaluation` holds both figures."""

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__()
        self.evaluation = evaluation


class Over(Exception):
    """The release is no candidate any more: published, or without a change."""


# ── Preparing ────────────────────────────────────────────────────────────────────────────────────────────────────


def candidate(*, collection: Collection, kind: Release.Kind, by: User | None) -> Release:
    """The release of the kind that is being prepared for the collection; made when there is none."""
    found, _ = Release.objects.get_or_create(
        collection=collection, kind=kind, state=State.CANDIDATE, defaults={"created_by": by}
    )
    return found


def add(*, release: Release, versions: Iterable[DocumentVersion]) -> None:
    """Let the release bring these versions in, instead of what it would have done to their documents."""
    ReleaseChange.objects.bulk_create(
        [ReleaseChange(release=release, document_id=v.document_id, version=v) for v in versions],
        update_conflicts=True,
        unique_fields=["release", "document"],
        update_fields=["version"],
    )


# ── Publishing ───────────────────────────────────────────────────────────────────────────────────────────────────


class _Fell(Exception):
    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__()
        self.evaluation = evaluation


def publish(*, release: Release, by: User | None) -> Release:
    """Make a candidate what is searched. Raises NotReady, Fallen (with the comparison) or Over, and changes nothing."""
    try:
        with transaction.atomic():
            locked = _locked(release)
            changes = _wanted(locked)
            if not changes:
                raise Over
            waiting = vectors.lacking(vectors.active(), versions=[v for v in changes.values() if v])
            if waiting:
                raise NotReady(waiting)
            before = gate.before(collection=locked.collection)
            _put_into_force(locked, changes, by)
            evaluation = gate.judge(collection=locked.collection, before=before, release=locked)
            if evaluation and not evaluation.passed:
                raise _Fell(evaluation)
            if evaluation:
                gate.keep(evaluation)
    except _Fell as fell:
        gate.keep(fell.evaluation)
        raise Fallen(fell.evaluation) from None
    logger.info("release %s of collection %s is published", locked.number, locked.collection_id)
    return locked


def embed_waiting(*, progress: Callable[[int], None] = lambda _: None) -> int:
    """Embed every passage that waits, then publish the imports that are complete. Returns how many were embedded.

    `progress` is told after each batch how many passages of one index have been.
    """
    done = vectors.fill_all(progress=progress)
    publish_imports()
    sparse.fill(progress=progress)
    return done


def publish_imports() -> None:
    """Publish the imports whose passages are all embedded.

    One that the gate has refused is not judged again until something is added to it; a person may publish it.
    """
    since = ReleaseChange.objects.filter(release=OuterRef("release"), version__created_at__gte=OuterRef("at"))
    refused = Evaluation.objects.filter(~Exists(since), release=OuterRef("pk"), passed=False)
    for release in Release.objects.filter(~Exists(refused), state=State.CANDIDATE, kind=Kind.IMPORT):
        try:
            publish(release=release, by=None)
        except (NotReady, Fallen, Over) as kept:
            logger.info("import %s stays prepared: %s", release.pk, type(kept).__name__)


@transaction.atomic
def withdraw(*, documents: Iterable[Document], reason: str, by: User | None) -> list[Release]:
    """Take documents out of the search at once, whatever the questions say. Those not searched are left alone.

    `reason` is masked. One release for each collection they stand in. Raises Over when none of them is searched.
    """
    by_collection: dict[UUID, list[UUID]] = {}
    for document in documents:
        by_collection.setdefault(document.collection_id, []).append(document.pk)
    done = []
    _lock(*by_collection)
    for collection_id, ids in sorted(by_collection.items()):
        release = Release(collection_id=collection_id, kind=Kind.WITHDRAWAL, reason=reason, created_by=by)
        if searched := _current(collection_id, ids):
            done.append(_at_once(release, dict.fromkeys(searched), by))
    if not done:
        raise Over
    return done


@transaction.atomic
def roll_back(*, to: Release, reason: str, by: User, withdrawn_too: bool = False) -> Release:
    """Search again what was searched after the release `to`. `reason` is masked.

    A document that was withdrawn since stays withdrawn, unless `withdrawn_too`. Raises Over when nothing would change.
    """
    release = Release(collection_id=to.collection_id, kind=Kind.ROLLBACK, reason=reason, restores=to, created_by=by)
    _lock(to.collection_id)
    back = way_back(to)
    changes = {**back.leave, **back.returning, **(back.withdrawn if withdrawn_too else {})}
    if not changes:
        raise Over
    waiting = vectors.lacking(vectors.active(), versions=[v for v in changes.values() if v])
    if waiting:  # the embedding model was changed since
        raise NotReady(waiting)
    return _at_once(release, changes, by)


@dataclass(frozen=True)
class WayBack:
    """What going back to a release changes: the version by the document. `withdrawn` are those withdrawn since."""

    returning: Mapping[UUID, UUID]
    leave: Mapping[UUID, None]
    withdrawn: Mapping[UUID, UUID]


def way_back(to: Release) -> WayBack:
    """What `roll_back` would do now; nothing for a release that was not published."""
    if to.state != State.PUBLISHED:
        return WayBack({}, {}, {})
    then, now = manifest(to), _current(to.collection_id)
    out = _withdrawn(then.keys() - now.keys())
    other = {document: version for document, version in then.items() if now.get(document) != version}
    return WayBack(
        returning={document: version for document, version in other.items() if document not in out},
        leave={document: None for document in now if document not in then},
        withdrawn={document: version for document, version in other.items() if document in out},
    )


def manifest(release: Release) -> dict[UUID, UUID]:
    """What was searched after a published release: the version by its document."""
    if release.published_at is None:
        return {}
    found = Listing.objects.filter(document__collection=release.collection_id).as_of(release.published_at)
    return dict(found.values_list("document", "version"))


def _withdrawn(documents: Iterable[UUID]) -> set[UUID]:
    """Those, of documents that are not searched, that somebody withdrew; others went with an earlier rollback."""
    last = Listing.objects.filter(document__in=list(documents)).order_by("document", "-since_at").distinct("document")
    return {document for document, kind in last.values_list("document", "until__kind") if kind == Kind.WITHDRAWAL}


def _at_once(release: Release, changes: Mapping[UUID, UUID | None], by: User | None) -> Release:
    """Publish changes that were not prepared. Under the lock of the collection."""
    release.state = State.ABANDONED  # no candidate: it is published in the same transaction
    release.save()
    ReleaseChange.objects.bulk_create(
        ReleaseChange(release=release, document_id=document, version_id=version)
        for document, version in changes.items()
    )
    _put_into_force(release, changes, by)
    return release


def _locked(release: Release) -> Release:
    _lock(release.collection_id)
    locked = Release.objects.select_for_update().get(pk=release.pk)
    if locked.state != State.CANDIDATE:
        raise Over
    return locked


def _lock(*collections: UUID) -> None:
    """One publisher of a collection at a time, and none while another embedding model takes over.

    All collections before the indexes, as every publisher does, so that no two wait for each other.
    """
    list(Collection.objects.select_for_update(no_key=True).filter(pk__in=collections).order_by("pk").values_list("pk"))
    vectors.lock_publishers()


def _wanted(release: Release) -> dict[UUID, UUID | None]:
    """The changes that still change something: not a version that was refused, or that a later one has overtaken."""
    found = release.changes.select_related("version").defer("version__text")
    return {c.document_id: c.version_id for c in found if c.version is None or c.version.status == Status.APPROVED}


def _current(collection: UUID, documents: Iterable[UUID] | None = None) -> dict[UUID, UUID]:
    found = Listing.objects.filter(document__collection=collection, until=None)
    if documents is not None:
        found = found.filter(document__in=list(documents))
    return dict(found.values_list("document", "version"))


def _put_into_force(release: Release, changes: Mapping[UUID, UUID | None], by: User | None) -> None:
    published = Release.objects.filter(collection=release.collection_id, state=State.PUBLISHED)
    last = published.aggregate(number=Max("number"), at=Max("published_at"))
    now = clock.now()
    if last["at"]:  # each release has a moment of its own, also when the clock was set back: `as_of` goes by it
        now = max(now, last["at"] + timedelta(microseconds=1))
    out = _current(release.collection_id, changes)
    comes = [version for version in changes.values() if version]
    withdrawn = [out[document] for document, version in changes.items() if version is None and document in out]
    replaced = [out[document] for document, version in changes.items() if version and document in out]

    index.take_out([*withdrawn, *replaced])
    Listing.objects.filter(document__in=out, until=None).update(until=release, until_at=now)
    for versions, status in ((withdrawn, Status.WITHDRAWN), (replaced, Status.SUPERSEDED)):
        DocumentVersion.objects.filter(pk__in=versions).update(status=status, ended_at=now)
    DocumentVersion.objects.filter(pk__in=comes, published_at=None).update(published_at=now)
    DocumentVersion.objects.filter(pk__in=comes).update(status=Status.PUBLISHED, ended_at=None)
    Listing.objects.bulk_create(
        Listing(document_id=document, version_id=version, since=release, since_at=now)
        for document, version in changes.items()
        if version
    )
    index.take_in(comes)

    release.state, release.number, release.published_at, release.published_by = (
        State.PUBLISHED,
        (last["number"] or 0) + 1,
        now,
        by,
    )
    release.documents, release.manifest_sha256 = digest(release.collection_id)
    release.save()
    changed_sources.tell(release=release, replaced=replaced, withdrawn=withdrawn)
    transaction.on_commit(partial(_follow, release.pk))


def _follow(release_id: UUID) -> None:
    """Have the worker fit the threshold of abstention anew and measure the collection as it stands."""
    from chat.tasks import follow_release

    try:
        follow_release.delay(str(release_id))
    except OperationalError:  # it is done after the next release
        logger.warning("what follows release %s is not queued", release_id)


def digest(collection: UUID) -> tuple[int, str]:
    """How many documents of a collection are searched now, and the digest that a release keeps as its manifest's."""
    found = Listing.objects.filter(document__collection=collection, until=None)
    rows = found.values_list("document__external_id", "version__number", "version__sha256")
    lines = sorted(f"{external_id} {number} {sha256}\n" for external_id, number, sha256 in rows)
    return len(lines), hashlib.sha256("".join(lines).encode()).hexdigest()
