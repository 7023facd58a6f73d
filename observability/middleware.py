"""The public name of the middleware, for MIDDLEWARE. Its code is in `recorders/middleware.py`."""

from observability.recorders.middleware import ObservationMiddleware

__all__ = ["ObservationMiddleware"]
