"""Why a question may end without an answer. The name of the class is stored as the turn's reason."""

from __future__ import annotations


class PipelineError(Exception):
    """Ends the pipeline; `record` still runs."""


class Unavailable(PipelineError):
    """Something the answer needs (database, model) did not work."""


class Stopped(PipelineError):
    """The author pressed Stop, or somebody else has ended the turn."""


class Lost(PipelineError):
    """The worker died or never came."""


class NotQueued(PipelineError):
    """The queue could not be reached, so no worker knows of the question."""
