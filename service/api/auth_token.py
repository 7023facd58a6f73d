"""The view that returns the token of a user."""

from django.db import transaction
from django.utils.decorators import method_decorator
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.parsers import FormParser, MultiPartParser

from service.api.strict_json import StrictJSONParser


# To compare a password takes long: it must not hold the write lock of SQLite.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class AuthTokenView(ObtainAuthToken):
    """Return the token of a user for a username and a password."""

    parser_classes = (StrictJSONParser, FormParser, MultiPartParser)
    max_body_bytes = 128 * 1024
