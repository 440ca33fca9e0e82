"""How the installation stands, now or at any past moment, worked out from what is stored; who is told of changes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.urls import reverse

from clinchat.lib import clock
from compliance import notices
from compliance.access.roles import Role
from compliance.controls import attestations, catalogue, results
from compliance.controls.catalogue import Catalogue
from compliance.controls.scoring import KEPT, Row, Score, score
from compliance.models import Attestation, CatalogueVersion, ControlException, ControlResult, ControlStatus, Notice

logger = logging.getLogger("clinchat.controls")

TOLD: Final = (Role.SECURITY_OFFICER, Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER)
WEEKS: Final = 12
_LOCK: Final = 0x7374616E  # "stan"


def now() -> Score:
    return as_of([clock.now()])[0]


def at(moment: datetime) -> Score:
    """The score of a past moment from what was stored by then: the same now as in ten years."""
    return as_of([moment])[0]


def trend(end: datetime, *, weeks: int = WEEKS) -> list[Score]:
    """The score at the end of each of the last weeks, the oldest first; the last is that of `end`."""
    return as_of([end - timedelta(weeks=back) for back in reversed(range(weeks))])


def as_of(moments: Sequence[datetime]) -> list[Score]:
    """The scores of several moments, in few queries."""
    versions = list(CatalogueVersion.objects.order_by("first_used_at"))
    last = [_last_result(moment) for moment in moments]
    books = [_catalogue(versions, moment, used) for moment, (used, _) in zip(moments, last, strict=True)]
    keys = {key for book in books for key in book.checks}
    seen, last_moment = results.newest(keys, moments), max(moments)
    signed = list(
        Attestation.objects.filter(attested_at__lte=last_moment).values_list(
            "control", "attested_at", "review_by", "ended_at", "owner__is_active", "owner__closed_at"
        )
    )
    accepted = list(
        ControlException.objects.exclude(approved_at=None).values_list(
            "control", "kind", "approved_at", "expires_at", "ended_at"
        )
    )
    return [
        score(
            book,
            seen=seen[moment],
            attested={
                control: until
                for control, since, until, ended, active, closed in signed
                if _holds(moment, since, until, ended) and (active or (closed or last_moment) > moment)
            },
            accepted={
                control: kind for control, kind, since, until, ended in accepted if _holds(moment, since, until, ended)
            },
            at=moment,
            code_version=version,
        )
        for moment, book, (_, version) in zip(moments, books, last, strict=True)
    ]


def _holds(moment: datetime, since: datetime | None, until: datetime, ended: datetime | None) -> bool:
    return since is not None and since <= moment < until and (ended is None or ended > moment)


def _last_result(moment: datetime) -> tuple[str, str]:
    """The catalogue and the version of ClinChat that made the newest result by the moment."""
    found = ControlResult.objects.filter(started_at__lte=moment).order_by("-started_at")
    return found.values_list("catalogue", "code_version").first() or ("", "")


def _catalogue(versions: Sequence[CatalogueVersion], moment: datetime, sha256: str) -> Catalogue:
    """The catalogue in use at the moment, with whatever earlier ones asked for beside it."""
    used = [one for one in versions if one.first_used_at <= moment or one.sha256 == sha256]
    if not used:  # nothing was looked at yet: whatever was used first afterwards was there already
        used = list(versions[:1])
    known = [catalogue.parse(one.text) for one in used]
    in_force = next((one for one in known if one.sha256 == sha256), known[0] if known else catalogue.current())
    return in_force.with_history(one for one in known if one.sha256 != in_force.sha256)


def digest(found: Score) -> str:
    """SHA-256 over the canonical form of a score: whoever works it out from the same evidence gets the same."""
    return hashlib.sha256(results.canonical(found.as_dict())).hexdigest()


@transaction.atomic
def settle() -> Score:
    """After checks: what was signed by somebody who is gone ends, each state is noted, who has to know is told.

    Noted and told together or not at all: a fall that is noted is not told again.
    """
    attestations.lapse()
    found = now()
    for row in _changed(found):
        if row.gate and row.state not in KEPT:
            logger.error("gate %s is not kept: %s", row.control, row.state, extra={"code": "GATE_FAILED"})
            _tell(row.control)
    return found


def _changed(found: Score) -> list[Row]:
    """Note where each control stands; returns those that were kept when this was noted last, and are not so now."""
    _alone()
    known = {one.control: one for one in ControlStatus.objects.all()}
    changed = []
    for row in found.rows:
        one = known.pop(row.control, None)
        if one is None or one.state != row.state:
            ControlStatus(control=row.control, state=str(row.state), since=found.at, looked_at=found.at).save()
        if one is not None and one.state in KEPT and one.state != row.state:
            changed.append(row)
    ControlStatus.objects.filter(control__in=list(known)).delete()
    ControlStatus.objects.update(looked_at=found.at)
    return changed


def _alone() -> None:
    """One after the other: two that end at once do not both tell of one fall."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _tell(control: str) -> None:
    found = catalogue.current().by_id.get(control)
    title = found.title if found else control
    notices.tell(
        notices.holders(*TOLD),
        title=f"{title}: not kept",
        text=f"Control {control} must be kept for ClinChat to be compliant, and a check found that it is not. "
        "See what was found and what to do.",
        url=reverse("control", args=[control]),
        level=Notice.Level.CRITICAL,
        mail=True,
    )
