"""What every request did: one Observation per unit of work, written by recorders, read by readers.

Service code needs these three names and no more:

    from observability import current, note, observe

    note(books_received=12)             # a fact in the access log line of the current request
    with observe("import_books"):       # a span with its own log line
        ...
    current()                           # the Observation of the code that runs, or None
"""

from observability.core.context import current, note, observe

__all__ = ["current", "note", "observe"]
