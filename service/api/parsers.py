"""Parse the body of a request into telemetry frames."""

import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import IO, Any, TypeVar

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from service.gbt32960 import Frame, InvalidFrame, decode, split

MAX_FRAMES = 5_000
MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_LISTED_ERRORS = 20

Encoded = TypeVar("Encoded")


class FrameValidationError(APIException):
    """400: some frames are invalid. `detail` lists the first 20 of them, each with its index from 0 and its error.

    `detail` is set after the `__init__` of the base class, which would turn its numbers into strings.
    """

    status_code = 400
    detail: Any

    def __init__(self, errors: list[tuple[int, str]]) -> None:
        super().__init__()
        listed = [{"index": index, "error": problem} for index, problem in errors[:MAX_LISTED_ERRORS]]
        problem = "Nothing was stored: some frames are invalid."
        self.detail = {"detail": problem, "invalid_count": len(errors), "frames": listed}


class BodyTooLarge(APIException):
    """413: the body is too large. It is not read."""

    status_code = 413
    default_code = "body_too_large"


class LengthRequired(APIException):
    """411: the request has no Content-Length. The parsers do not get a body that is sent in chunks."""

    status_code = 411
    default_code = "length_required"


class _FrameParser(BaseParser):
    """Read the body from the stream. `request.body` would reject it: `DATA_UPLOAD_MAX_MEMORY_SIZE` is too small."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, list[Frame]]:
        """Return `{"frames": [...]}` with decoded frames.

        Raise `BodyTooLarge` if Content-Length is over 32 MiB, `ParseError` if the body has another form or more than
        5,000 frames, and `FrameValidationError` if a frame is invalid.
        """
        length = int((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0)
        if length > MAX_BODY_BYTES:
            raise BodyTooLarge(f"The body has {length} bytes; at most {MAX_BODY_BYTES} are allowed. Send fewer frames.")
        return {"frames": self.frames(stream.read())}

    def frames(self, body: bytes) -> list[Frame]:
        """Return the decoded frames of the body."""
        raise NotImplementedError


class JSONFrameParser(_FrameParser):
    """A JSON body: `{"frames": ["<hex>", …]}`."""

    media_type = "application/json"

    def frames(self, body: bytes) -> list[Frame]:
        """Return the decoded frames of the JSON list."""
        texts = _listed_frames(body)
        if len(texts) > MAX_FRAMES:
            raise ParseError(f"The body has {len(texts)} frames; at most {MAX_FRAMES} are allowed.")
        return _decode_each(texts, _decode_hexadecimal)


class BinaryFrameParser(_FrameParser):
    """A binary body: raw frames, one after another."""

    media_type = "application/octet-stream"

    def frames(self, body: bytes) -> list[Frame]:
        """Return the decoded frames, which their length fields separate."""
        try:
            raw_frames = list(islice(split(body), MAX_FRAMES + 1))
        except InvalidFrame as error:
            raise FrameValidationError([(error.index or 0, f"at byte {error.offset}: {error.problem}")]) from error
        if len(raw_frames) > MAX_FRAMES:
            raise ParseError(f"The body has more than {MAX_FRAMES} frames; at most {MAX_FRAMES} are allowed.")
        return _decode_each(raw_frames, decode)


def _listed_frames(body: bytes) -> list[object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"The body is not JSON: {error}") from error
    if not isinstance(document, dict) or "frames" not in document:
        raise ParseError('The body is not a JSON object with the key "frames".')
    texts = document["frames"]
    if not isinstance(texts, list):
        raise ParseError('"frames" is not a list of hexadecimal strings.')
    return texts


def _decode_hexadecimal(text: object) -> Frame:
    if not isinstance(text, str):
        raise InvalidFrame("not a string")
    try:
        raw = binascii.unhexlify(text)
    except ValueError as error:
        raise InvalidFrame("not hexadecimal: each byte is two digits of 0-9 and a-f") from error
    return decode(raw)


def _decode_each(encoded: Iterable[Encoded], decode_one: Callable[[Encoded], Frame]) -> list[Frame]:
    frames: list[Frame] = []
    errors: list[tuple[int, str]] = []
    for index, one in enumerate(encoded):
        try:
            frames.append(decode_one(one))
        except InvalidFrame as error:
            errors.append((index, error.problem))
    if errors:
        raise FrameValidationError(errors)
    return frames
