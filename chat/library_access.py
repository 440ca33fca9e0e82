"""The doors to what is on its way into the knowledge base: fetch, authorize and audit the read in one step.

As in chat.access, a stranger gets Http404. Who may do what with which of them is said in chat.rules.
"""

from __future__ import annotations

from uuid import UUID

from chat import access
from chat.models import DocumentVersion, Release, Upload
from compliance.access import Action, allows, refusals
from compliance.models import User


def get_draft(user: User, draft_id: UUID, *, to: Action | None = None) -> DocumentVersion:
    """The version, its document and collection, for whoever edits or reviews it. Raises Http404.

    `to` names what the person is about to do with it; none: to look at it. It may be past its review by now.
    """
    found = DocumentVersion.objects.select_related("document__collection").filter(pk=draft_id).first()
    actions = (to,) if to else (Action.EDIT_LIBRARY, Action.REVIEW_LIBRARY)
    if found is None or not any(allows(user, action, found) for action in actions):
        refusals.as_if_absent(user, "chat.DocumentVersion", draft_id)
    access.record_read(user, "chat.DocumentVersion", found.pk)
    return found


def get_upload(user: User, upload_id: UUID, *, again: bool = False) -> Upload:
    """The upload without its bytes, for the editors of its collection. Raises Http404.

    `again`: asked by a page that was opened, which is on record already.
    """
    uploads = Upload.objects.select_related("collection", "document").defer("content")
    found = uploads.filter(pk=upload_id).first()
    if found is None or not allows(user, Action.EDIT_LIBRARY, found):
        refusals.as_if_absent(user, "chat.Upload", upload_id)
    if not again:
        access.record_read(user, "chat.Upload", found.pk)
    return found


def get_release(user: User, release_id: UUID, *, to: Action = Action.READ_QUALITY) -> Release:
    """The release with its collection, for whoever may read the collection and do `to`. Raises Http404."""
    found = Release.objects.select_related("collection").filter(pk=release_id).first()
    if found is None or not allows(user, to, found):
        refusals.as_if_absent(user, "chat.Release", release_id)
    access.record_read(user, "chat.Release", found.pk)
    return found
