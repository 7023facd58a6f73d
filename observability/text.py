"""Text for people: truncate it, count with a noun, convert objects whose `__str__` or `__repr__` may raise."""

ELLIPSIS = "…"


def truncate(text: str, max_length: int) -> str:
    """Return the text, cut to `max_length` characters if it is longer; the last character is then `…`."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}{ELLIPSIS}"


def format_count(count: int, noun: str, plural: str = "") -> str:
    """Return the number with its noun: `1 query`, `2 queries`. The plural defaults to the noun with an `s`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def safe_str(value: object) -> str:
    """Return `str(value)`, or a placeholder if that raises. A broken `__str__` must not break the record."""
    if type(value) is str:
        return value
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - any code may run here
        return f"<unprintable {type(value).__qualname__}>"


def safe_repr(error: BaseException) -> str:
    """Return `repr(error)`, or the name of its type if that raises."""
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - any code may run here
        return type(error).__qualname__


def exception_type_name(exception: type[BaseException]) -> str:
    """Return the name of an exception's type, with its module unless that is `builtins`."""
    if exception.__module__ == "builtins":
        return exception.__qualname__
    return f"{exception.__module__}.{exception.__qualname__}"
