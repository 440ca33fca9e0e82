"""Addresses of the chat and the library."""

from __future__ import annotations

from django.urls import path

from chat.views import ask, finding, library, mask_reports

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
]
