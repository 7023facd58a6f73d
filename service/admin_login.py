"""The login of the admin."""

from django.contrib import admin
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse


# To compare a password takes long: it must not hold the write lock of SQLite.
@non_atomic_requests
def login(request: HttpRequest) -> HttpResponse:
    """Return the admin's login page, or log in."""
    return admin.site.login(request)
