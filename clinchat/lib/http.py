"""Request type of a view behind a door; and how many bytes of a form are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler, MemoryFileUploadHandler
from django.http import HttpRequest

if TYPE_CHECKING:
    from compliance.models import User

    class AuthedRequest(HttpRequest):
        """A request whose person is signed in with a second factor (compliance.access.door proves it)."""

        user: User  # narrows AnonymousUser away: the door has refused it
else:
    AuthedRequest = HttpRequest


class NoFiles(FileUploadHandler):
    """Takes no file: none is kept, and a body that is too large is refused before it is read.

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


class FileTooLarge(RequestDataTooBig):
    """`words` say how much would have been taken."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.words = f"The file is too large. Send at most {most // 1_000_000} MB."


class OneFile(MemoryFileUploadHandler):
    """For the addresses that take a file: kept in memory, never on the disk, up to `most` bytes.

    To be set on the request before its form is read. A body that is too large is refused before it is.
    """

    FIELDS = 64 * 1024
    """Bytes around the file: the other fields and the boundaries."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803  # Django's name
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        """Raises FileTooLarge, which is answered with 413."""
        if content_length > self.most + self.FIELDS:
            raise FileTooLarge(self.most)
        self.activated = True

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Raises FileTooLarge."""
        if start + len(raw_data) > self.most:
            raise FileTooLarge(self.most)
        return super().receive_data_chunk(raw_data, start)
