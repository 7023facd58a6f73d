"""Create books for tests."""

from datetime import UTC, datetime
from hashlib import sha256

from tests.probe.models import Author, Book, Loan, Publisher

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def isbn(number: int = 1) -> str:
    """Return an ISBN with this number. Larger numbers sort later. The check digit is not correct."""
    return f"978-0-00-{number:06}-0"


def make_books(count: int, **values: object) -> list[Book]:
    """Create books with the ISBNs 1 to `count`, each with another author."""
    publisher, _ = Publisher.objects.get_or_create(name="Penguin")
    return [
        Book.objects.create(
            isbn=isbn(number),
            author=Author.objects.create(publisher=publisher, name=f"Author {number}"),
            **values,
        )
        for number in range(1, count + 1)
    ]


def make_publishers(count: int) -> list[Publisher]:
    """Create publishers with one author each."""
    publishers = [Publisher.objects.create(name=f"Publisher {number}") for number in range(1, count + 1)]
    Author.objects.bulk_create([Author(publisher=publisher, name=f"Of {publisher}") for publisher in publishers])
    return publishers


def make_loan(book: Book, begun_at: datetime = NOON) -> Loan:
    """Create a loan of the book; a book has at most one loan per time."""
    digest = sha256(f"{book.isbn} {begun_at}".encode()).hexdigest()
    return Loan.objects.create(book=book, digest=digest, begun_at=begun_at)
