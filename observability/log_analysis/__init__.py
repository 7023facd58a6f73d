"""Read log files: follow them, find one request, report what is slow and what fails.

The log files are the only input: no agent, no second store and no running service is needed. Only `apps.py`,
`checks.py` and `management/` use Django. `python -m observability.log_analysis` reads log files without Django.
"""

__all__ = ["LogAnalysisError"]


class LogAnalysisError(Exception):
    """The command cannot be completed. The message names the problem, its place, and what to do."""
