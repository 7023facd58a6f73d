"""A library: publishers have authors, authors write books, readers borrow books."""

from __future__ import annotations

from django.db import models
from django.db.models import Count


class Publisher(models.Model):
    name = models.CharField(max_length=100, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Author(models.Model):
    publisher = models.ForeignKey(Publisher, on_delete=models.PROTECT, related_name="authors")
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class BookQuerySet(models.QuerySet["Book"]):
    def with_author(self) -> BookQuerySet:
        """Return books with author and publisher, in the same statement."""
        return self.select_related("author__publisher")

    def status_counts(self) -> dict[str, int]:
        """Return the number of books per status."""
        counted = self.order_by().values_list("status").annotate(Count("pk"))
        return dict.fromkeys(self.model.Status.values, 0) | dict(counted)


class Book(models.Model):
    class Status(models.TextChoices):
        AVAILABLE = "available"
        BORROWED = "borrowed"
        LOST = "lost"

    isbn = models.CharField(max_length=17, unique=True)
    author = models.ForeignKey(Author, on_delete=models.PROTECT, null=True, blank=True, related_name="books")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.AVAILABLE)

    objects = BookQuerySet.as_manager()

    class Meta:
        ordering = ["isbn"]

    def __str__(self) -> str:
        return self.isbn


class LoanQuerySet(models.QuerySet["Loan"]):
    def newest_of(self, book: Book) -> Loan | None:
        return self.filter(book=book).order_by("-begun_at").first()


class Loan(models.Model):
    """A loan of a book; `scan` is an image of the loan slip."""

    book = models.ForeignKey(Book, on_delete=models.CASCADE, related_name="loans")
    digest = models.CharField(max_length=64, unique=True)
    scan = models.BinaryField(default=b"")
    begun_at = models.DateTimeField(null=True)

    objects = LoanQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["book", "-begun_at"], name="probe_loan_newest")]

    def __str__(self) -> str:
        return self.digest
