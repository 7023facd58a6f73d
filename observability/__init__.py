"""Record what every request does: one Observation per unit of work. Recorders write it, readers read it.

Service code needs only these three names:

    from observability import current, note, observe

    note(books_received=12)             # adds a fact to the access log line of the current request
    with observe("import_books"):       # a span with its own log line
        ...
    current()                           # the Observation of the running code, or None
"""

from observability.core.context import current, note, observe

__all__ = ["current", "note", "observe"]
