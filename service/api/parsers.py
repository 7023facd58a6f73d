"""From the body of a request to telemetry frames."""

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

Written = TypeVar("Written")


class InvalidFrames(APIException):
    """400: how many frames are invalid, and the first of them by index, from 0; the numbers stay numbers in JSON."""

    status_code = 400
    detail: Any

    def __init__(self, errors: list[tuple[int, str]]) -> None:
        super().__init__()
        listed = [{"index": index, "error": problem} for index, problem in errors[:MAX_LISTED_ERRORS]]
        problem = "Nothing was stored: frames of this request are invalid."
        self.detail = {"detail": problem, "invalid_count": len(errors), "frames": listed}


class BodyTooLarge(APIException):
    """413: the body is not read at all."""

    status_code = 413
    default_code = "body_too_large"


class LengthRequired(APIException):
    """411: a body without Content-Length, in chunks, does not reach the parsers."""

    status_code = 411
    default_code = "length_required"


class _FrameParser(BaseParser):
    """Reads the body, whatever `DATA_UPLOAD_MAX_MEMORY_SIZE` says: thousands of frames are longer than a form."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, list[Frame]]:
        """The frames as `frames`, every one of them valid. Raises what becomes a 400 or 413."""
        length = int((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0)
        if length > MAX_BODY_BYTES:
            raise BodyTooLarge(f"The body has {length} bytes; {MAX_BODY_BYTES} are allowed. Send fewer frames at once.")
        return {"frames": self.frames(stream.read())}

    def frames(self, body: bytes) -> list[Frame]:
        """The frames in this body."""
        raise NotImplementedError


class JSONFrames(_FrameParser):
    """`{"frames": ["<hex>", …]}`."""

    media_type = "application/json"

    def frames(self, body: bytes) -> list[Frame]:
        """Frames as hexadecimal text."""
        texts = _listed_frames(body)
        if len(texts) > MAX_FRAMES:
            raise ParseError(f"There are {len(texts)} frames in the body; {MAX_FRAMES} are allowed.")
        return _decode_each(texts, _decode_hexadecimal)


class BinaryFrames(_FrameParser):
    """Raw frames, one after another."""

    media_type = "application/octet-stream"

    def frames(self, body: bytes) -> list[Frame]:
        """Frames as their own bytes."""
        try:
            raw_frames = list(islice(split(body), MAX_FRAMES + 1))
        except InvalidFrame as error:
            raise InvalidFrames([(error.index or 0, f"at byte {error.offset}: {error.problem}")]) from error
        if len(raw_frames) > MAX_FRAMES:
            raise ParseError(f"There are more frames in the body than the {MAX_FRAMES} that are allowed.")
        return _decode_each(raw_frames, decode)


def _listed_frames(body: bytes) -> list[object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"The body is not JSON: {error}") from error
    if not isinstance(document, dict) or "frames" not in document:
        raise ParseError('The body is not an object with the key "frames".')
    texts = document["frames"]
    if not isinstance(texts, list):
        raise ParseError('"frames" is not a list of hexadecimal texts.')
    return texts


def _decode_hexadecimal(text: object) -> Frame:
    if not isinstance(text, str):
        raise InvalidFrame("not a text")
    try:
        raw = binascii.unhexlify(text)
    except ValueError as error:
        raise InvalidFrame("not hexadecimal: two digits of 0-9 and a-f for each byte") from error
    return decode(raw)


def _decode_each(written: Iterable[Written], decode_one: Callable[[Written], Frame]) -> list[Frame]:
    frames: list[Frame] = []
    errors: list[tuple[int, str]] = []
    for index, one in enumerate(written):
        try:
            frames.append(decode_one(one))
        except InvalidFrame as error:
            errors.append((index, error.problem))
    if errors:
        raise InvalidFrames(errors)
    return frames
