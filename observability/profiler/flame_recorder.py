"""Sample the Python code of a request for its flame graph. No other module imports pyinstrument."""

import sysconfig
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from observability.conf import configuration
from observability.profiler.flame_graph import FlameSamples
from observability.profiler.profile import Profile
from observability.profiler.profile_document import to_json
from observability.profiler.profile_store import FLAME
from observability.recorders.call_stack import relative_project_path

if TYPE_CHECKING:
    from pyinstrument.profiler import AsyncMode

    from observability.profiler.middleware import GetResponse, GetResponseAsync

INTERVAL_S = 0.001
MAX_SAMPLES = 20_000
NOT_INSTALLED = "There is no flame graph, because pyinstrument is not installed. Install it: pip install pyinstrument"

# pyinstrument writes a frame as function, file, line and attributes. The attribute `c` is the class of `self`.
_PART, _ATTRIBUTE, _CLASS = "\x00", "\x01", "c"
_package_root = Path(__file__).resolve().parents[2]


def sample(get_response: "GetResponse", request: HttpRequest, profile: Profile) -> HttpResponseBase:
    """Return the response. While it is created, sample the stack of this thread about once per millisecond.

    A streaming body is not included, because it is created later. If sampling is not possible, the profile has a notice
    with the reason, and the request continues.
    """
    with _sampling(profile, "disabled"):
        return get_response(request)


async def sample_async(get_response: "GetResponseAsync", request: HttpRequest, profile: Profile) -> HttpResponseBase:
    """Do the same as `sample` under ASGI. A synchronous view and its middleware run in the sampled thread."""
    if _view_is_async(request):
        with _sampling(profile, "enabled"):
            return await get_response(request)
    in_thread = cast("GetResponse", async_to_sync(cast("Callable[..., Awaitable[HttpResponseBase]]", get_response)))
    return await sync_to_async(sample)(in_thread, request, profile)


@contextmanager
def _sampling(profile: Profile, async_mode: "AsyncMode") -> Iterator[None]:
    try:
        from pyinstrument import Profiler  # noqa: PLC0415 - it is optional, and few requests need it
    except ImportError:
        profile.notice = NOT_INSTALLED
        yield
        return
    profiler = Profiler(interval=INTERVAL_S, async_mode=async_mode)
    try:
        profiler.start()
    except (RuntimeError, ValueError) as error:
        # Another profiler is running.
        profile.notice = f"There is no flame graph: {error}"
        yield
        return
    try:
        yield
    finally:
        profile.documents[FLAME] = to_json(to_flame_samples(profiler.stop().frame_records, __file__))


def _view_is_async(request: HttpRequest) -> bool:
    try:
        view = resolve(request.path_info, getattr(request, "urlconf", None)).func
    except Resolver404:
        return False
    return iscoroutinefunction(view)


def to_flame_samples(records: Iterable[tuple[Sequence[str], float]], recorder_file: str) -> FlameSamples:
    """Convert pyinstrument's records: pairs of a stack and its duration in seconds.

    The callers of `recorder_file` are left out. Consecutive equal stacks become one sample.
    """
    indexes: dict[tuple[str, str, bool], int] = {}
    samples: list[list[int]] = []
    weights_ms: list[float] = []
    left_out_ms = 0.0
    for stack, seconds in records:
        frames = [indexes.setdefault(_parse_frame(each), len(indexes)) for each in _frames_below(recorder_file, stack)]
        if samples and samples[-1] == frames and not left_out_ms:
            weights_ms[-1] += seconds * 1e3
        elif len(samples) < MAX_SAMPLES:
            samples.append(frames)
            weights_ms.append(seconds * 1e3)
        else:
            left_out_ms += seconds * 1e3
    return {
        "frames": list(indexes),
        "samples": samples,
        "weights_ms": [round(each, 3) for each in weights_ms],
        "left_out_ms": round(left_out_ms, 3),
    }


def _frames_below(file: str, stack: Sequence[str]) -> Sequence[str]:
    """Return the frames of a stack below the frames of a file; the whole stack if it has no frame of the file."""
    for index in range(len(stack) - 1, -1, -1):
        if f"{_PART}{file}{_PART}" in stack[index]:
            return stack[index + 1 :]
    return stack


@lru_cache(maxsize=8192)
def _parse_frame(text: str) -> tuple[str, str, bool]:
    identifier, *attributes = text.split(_ATTRIBUTE)
    name, *place = identifier.split(_PART)
    for attribute in attributes:
        if attribute.startswith(_CLASS):
            name = f"{attribute.removeprefix(_CLASS)}.{name}"
    if len(place) != 2 or place[0].startswith("<"):  # noqa: PLR2004 - file and line
        return name, "", False
    path = relative_project_path(place[0], configuration().code_root)
    return name, f"{path or _library_path(place[0])}:{place[1]}", path is not None


def _library_path(file: str) -> str:
    """Return the path of a file of a package or of Python, relative to its directory in sys.path."""
    for directory in ("/site-packages/", "/dist-packages/"):
        if directory in file:
            return file.rpartition(directory)[2]
    for root in (sysconfig.get_path("stdlib"), str(_package_root)):
        if file.startswith(f"{root}/"):
            return file.removeprefix(f"{root}/")
    return file
