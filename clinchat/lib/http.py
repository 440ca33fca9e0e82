"""Request type of a view behind a door; and how many bytes of a form are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

if TYPE_CHECKING:
    from compliance.models import User

    class AuthedRequest(HttpRequest):
        """A request whose person is signed in with a second factor (compliance.access.door proves it)."""

        user: User  # narrows AnonymousUser away: the door has refused it
else:
    AuthedRequest = HttpRequest


class NoFiles(FileUploadHandler):
    """No form of the portal takes a file: none is kept, and a body that is too large is refused before it is read.

    Django's own limit leaves file parts out, and its handlers write them to the disk for anybody.
    """

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803  # Django's name
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        """Raises RequestDataTooBig, which is answered with 413."""
        if content_length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        return None

    def file_complete(self, file_size: int) -> None:
        return None
