"""Read log files: follow them, find one request, report what is slow and what fails.

The log files are the only input: no agent, no second store, no running service. Nothing here needs Django, except
`apps.py`, `checks.py` and `management/`; `python -m observability.log_analysis` reads the files of any machine.
"""

__all__ = ["LogAnalysisError"]


class LogAnalysisError(Exception):
    """The command cannot be completed; the message says what is wrong, where, and what to do."""
