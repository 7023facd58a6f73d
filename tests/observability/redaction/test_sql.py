"""The values of a row that a database rejected are redacted if a column or constraint has a secret name."""

import pytest

from observability.redaction import redact_text


@pytest.mark.parametrize(
    "text",
    [
        'duplicate key value violates unique constraint "x"\nDETAIL:  Key (api_token)=(pl4nted) already exists.',
        'duplicate key value violates constraint "knox_token_pkey"\nDETAIL:  Key (key)=(pl4nted) already exists.',
        'Key (isbn, "password")=(A, a) b pl4nted) is not present in table "x".',
        'null value in column "x"\nDETAIL:  Failing row contains (1, it\'s (pl4nted)\n, null).',
        "Failing row contains (1, pl4nted, null).",
        "(1062, \"Duplicate entry 'it's-pl4nted' for key 'account.api_token'\")",
    ],
)
def test_secret_values_in_a_database_error_are_redacted(text: str) -> None:
    assert "pl4nted" not in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        'duplicate key value violates unique constraint "book_isbn"\nDETAIL:  Key (isbn)=(9780) already exists.',
        "(1062, \"Duplicate entry '9780' for key 'book.isbn'\")",
    ],
)
def test_harmless_values_in_a_database_error_are_unchanged(text: str) -> None:
    assert redact_text(text) == text
