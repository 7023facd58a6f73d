"""LogRecords that cost half as much."""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_has_task_name = "taskName" in logging.makeLogRecord({}).__dict__
_started = time.time()


class EventRecord(logging.LogRecord):
    """A record of the standard library with all of its attributes; what many records have in common is kept.

    `logging.LogRecord` asks for the process, names the level and takes the path apart for each record anew: that is a
    third of what a line costs. A process or a level that is named anew after its first record keeps the old name.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the standard library's
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,  # noqa: ANN401
        exc_info: Any,  # noqa: ANN401
        func: str | None = None,
        sinfo: str | None = None,
        **_: object,
    ) -> None:
        # In the order of the standard library's: the attributes of `extra=` follow them.
        attributes = _common(name, level, pathname).copy()
        attributes["msg"] = msg
        if args:
            # `log.info("%(isbn)s", {"isbn": …})`: the one argument that is a mapping.
            is_mapping = len(args) == 1 and isinstance(args[0], Mapping) and args[0]
            attributes["args"] = args[0] if is_mapping else args
        else:
            attributes["args"] = args
        attributes["exc_info"] = exc_info
        attributes["stack_info"] = sinfo
        attributes["lineno"] = lineno
        attributes["funcName"] = func
        attributes["created"] = created = time.time()
        attributes["msecs"] = created % 1 * 1000 // 1
        attributes["relativeCreated"] = (created - _started) * 1000
        if logging.logThreads:
            attributes["thread"] = threading.get_ident()
            attributes["threadName"] = threading.current_thread().name
        if _has_task_name:
            attributes["taskName"] = _task_name()
        self.__dict__ = attributes


@lru_cache(maxsize=2048)
def _common(name: str, level: int, pathname: str) -> dict[str, Any]:
    filename = os.path.basename(pathname)  # noqa: PTH119 - a path is text in logging
    return {
        "name": name,
        "msg": None,
        "args": (),
        "levelname": logging.getLevelName(level),
        "levelno": level,
        "pathname": pathname,
        "filename": filename,
        "module": os.path.splitext(filename)[0] or "Unknown module",  # noqa: PTH122
        "exc_info": None,
        "exc_text": None,
        "stack_info": None,
        "lineno": 0,
        "funcName": None,
        "created": 0.0,
        "msecs": 0.0,
        "relativeCreated": 0.0,
        "thread": None,
        "threadName": None,
        "processName": _process_name() if logging.logMultiprocessing else None,
        "process": os.getpid() if logging.logProcesses else None,
    }


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_common.cache_clear)


def _process_name() -> str:
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing.current_process().name if multiprocessing else "MainProcess"


def _task_name() -> str | None:
    # current_task() raises where no loop runs, and an exception costs more than all else here.
    if not getattr(logging, "logAsyncioTasks", True) or asyncio._get_running_loop() is None:  # noqa: SLF001
        return None
    task = asyncio.current_task()
    return task.get_name() if task else None
