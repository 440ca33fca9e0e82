"""Addresses of the knowledge base and of the interaction table below /api/."""

from __future__ import annotations

from django.urls import path

from chat.api import documents, drafts, drugs, releases, search, status, uploads

urlpatterns = [
    path("library/collections", documents.collections, name="api-library-collections"),
    path("library/documents", documents.documents, name="api-library-documents"),
    path("library/documents/<uuid:document_id>", documents.document, name="api-library-document"),
    path("library/documents/<uuid:document_id>/withdraw", documents.withdraw, name="api-library-withdraw"),
    path("library/uploads", uploads.upload, name="api-library-uploads"),
    path("library/uploads/<uuid:upload_id>", uploads.state, name="api-library-upload"),
    path("library/drafts/<uuid:draft_id>", drafts.draft, name="api-library-draft"),
    path("library/drafts/<uuid:draft_id>/settle", drafts.settle, name="api-library-settle"),
    path("library/drafts/<uuid:draft_id>/submit", drafts.submit, name="api-library-submit"),
    path("library/drafts/<uuid:draft_id>/decision", drafts.decision, name="api-library-decision"),
    path("library/releases", releases.releases, name="api-library-releases"),
    path("library/releases/<uuid:release_id>", releases.release, name="api-library-release"),
    path("library/releases/<uuid:release_id>/changes", releases.changes, name="api-library-changes"),
    path("library/releases/<uuid:release_id>/publish", releases.publish, name="api-library-publish"),
    path("library/releases/<uuid:release_id>/rollback", releases.rollback, name="api-library-rollback"),
    path("library/search", search.search, name="api-library-search"),
    path("admin/knowledge-base/status", status.status, name="api-knowledge-base-status"),
    path("drugs/interactions", drugs.interactions, name="api-drugs-interactions"),
    path("drugs/search", drugs.search, name="api-drugs-search"),
    path("admin/drug-db/health", drugs.health, name="api-drug-table-health"),
]
