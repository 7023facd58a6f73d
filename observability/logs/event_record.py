"""A LogRecord that costs half as much."""

import asyncio
import logging
import os
import sys
import threading
import time
from functools import lru_cache
from typing import Any

_has_task_name = "taskName" in logging.makeLogRecord({}).__dict__
_started = time.time()


class EventRecord(logging.LogRecord):
    """A record of the standard library with all of its attributes; what many records have in common is kept.

    `logging.LogRecord` looks up the names of process, thread and task, and takes the path apart, for each record anew:
    that is a third of what a line costs. It follows `logging.logThreads` and its like.
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
        created = time.time()
        if args and len(args) == 1 and isinstance(args[0], dict) and args[0]:
            # `log.info("%(vin)s", {"vin": …})`: the one argument that is a mapping.
            args = args[0]
        filename, module = _parts(pathname)
        # The attributes in the order of the standard library's: those of `extra=` follow them.
        self.__dict__ = {
            "name": name,
            "msg": msg,
            "args": args,
            "levelname": _level_name(level),
            "levelno": level,
            "pathname": pathname,
            "filename": filename,
            "module": module,
            "exc_info": exc_info,
            "exc_text": None,
            "stack_info": sinfo,
            "lineno": lineno,
            "funcName": func,
            "created": created,
            "msecs": created % 1 * 1000 // 1,
            "relativeCreated": (created - _started) * 1000,
            "thread": threading.get_ident() if logging.logThreads else None,
            "threadName": threading.current_thread().name if logging.logThreads else None,
            "processName": _process_name() if logging.logMultiprocessing else None,
            "process": _process.id if logging.logProcesses else None,
        }
        if _has_task_name:
            self.__dict__["taskName"] = _task_name()


class _Process:
    """The id of this process: to ask the system for each record costs as much as to write a tenth of it."""

    def __init__(self) -> None:
        self.look_up()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.look_up)

    def look_up(self) -> None:
        self.id = os.getpid()


_process = _Process()
_level_name = logging.getLevelName


@lru_cache(maxsize=1024)
def _parts(pathname: str) -> tuple[str, str]:
    filename = os.path.basename(pathname)  # noqa: PTH119 - a path is text in logging
    return filename, os.path.splitext(filename)[0] if filename else "Unknown module"  # noqa: PTH122


def _process_name() -> str:
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None:
        return "MainProcess"
    name: str = multiprocessing.current_process().name
    return name


def _task_name() -> str | None:
    # current_task() raises where no loop runs, and an exception costs more than all else here.
    if not getattr(logging, "logAsyncioTasks", True) or asyncio._get_running_loop() is None:  # noqa: SLF001
        return None
    task = asyncio.current_task()
    return task.get_name() if task else None
