"""Reading log files: what they say of the requests, without an agent, a second store or the service itself.

Nothing here needs Django; `python -m observability.log_analysis` reads the files of any machine.
"""
