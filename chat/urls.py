"""Addresses of the chat and the library."""

from __future__ import annotations

from django.urls import path

from chat.views import (
    ask,
    finding,
    library,
    library_adding,
    library_drafts,
    library_quality,
    library_releases,
    library_work,
    mask_reports,
)

urlpatterns = [
    path("", ask.home, name="home"),
    path("ask/", ask.ask, name="ask"),
    path("ask/search/", finding.find, name="question-search"),
    path("ask/identifiers/", ask.identifiers, name="ask-identifiers"),
    path("ask/<uuid:conversation_id>/", ask.conversation, name="conversation"),
    path("ask/answers/<uuid:turn_id>/events/", ask.events, name="answer-events"),
    path("ask/answers/<uuid:turn_id>/stop/", ask.stop, name="answer-stop"),
    path("ask/answers/<uuid:turn_id>/retry/", ask.retry, name="answer-retry"),
    path("ask/answers/<uuid:turn_id>/feedback/", ask.feedback, name="answer-feedback"),
    path("ask/answers/<uuid:turn_id>/mask-report/", mask_reports.report, name="answer-mask-report"),
    path("library/", library.index, name="library"),
    path("library/<uuid:document_id>/", library.document, name="document"),
    path("library/<uuid:document_id>/again/", library_adding.again, name="library-again"),
    path("library/<uuid:document_id>/readers/", library_releases.readers, name="library-readers"),
    path("library/<uuid:document_id>/withdraw/", library_releases.withdraw, name="library-withdraw"),
    path("library/work/", library_work.work, name="library-work"),
    path("library/add/", library_adding.add, name="library-add"),
    path("library/collections/<slug:slug>/", library_releases.collection, name="library-collection"),
    path("library/uploads/<uuid:upload_id>/", library_adding.upload, name="library-upload"),
    path("library/uploads/<uuid:upload_id>/state/", library_adding.upload_state, name="library-upload-state"),
    path("library/drafts/<uuid:draft_id>/", library_drafts.draft, name="library-draft"),
    path("library/drafts/<uuid:draft_id>/description/", library_drafts.describe, name="library-draft-describe"),
    path("library/drafts/<uuid:draft_id>/findings/", library_drafts.settle, name="library-draft-settle"),
    path("library/drafts/<uuid:draft_id>/submission/", library_drafts.submit, name="library-draft-submit"),
    path("library/drafts/<uuid:draft_id>/decision/", library_drafts.decide, name="library-draft-decide"),
    path("library/drafts/<uuid:draft_id>/discard/", library_drafts.discard, name="library-draft-discard"),
    path("library/releases/", library_releases.index, name="library-releases"),
    path("library/releases/<uuid:release_id>/", library_releases.release, name="library-release"),
    path("library/releases/<uuid:release_id>/publish/", library_releases.publish, name="library-release-publish"),
    path("library/releases/<uuid:release_id>/roll-back/", library_releases.roll_back, name="library-release-back"),
    path("library/quality/", library_quality.page, name="library-quality"),
    path("library/questions/<slug:slug>/", library_quality.questions, name="library-questions"),
    path("library/questions/<slug:slug>/file/", library_quality.questions_file, name="library-questions-file"),
    path("library/questions/<slug:slug>/evaluate/", library_quality.evaluate, name="library-questions-evaluate"),
    path("library/questions/<slug:slug>/remove/", library_quality.remove_questions, name="library-questions-remove"),
    path(
        "library/questions/<slug:slug>/<uuid:question_id>/remove/",
        library_quality.remove_question,
        name="library-question-remove",
    ),
]
