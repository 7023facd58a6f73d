"""The middleware, by the name that stands in MIDDLEWARE; `recorders/middleware.py` has its code."""

from observability.recorders.middleware import ObservationMiddleware

__all__ = ["ObservationMiddleware"]
