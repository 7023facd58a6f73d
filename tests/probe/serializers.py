"""Serializers of the library."""

from typing import Any

from rest_framework import serializers

from tests.probe.models import Author, Book, Loan, Publisher


class BookSerializer(serializers.ModelSerializer[Book]):
    author_name = serializers.CharField(source="author.name", read_only=True, allow_null=True)
    publisher = serializers.CharField(source="author.publisher.name", read_only=True, allow_null=True)
    author = serializers.PrimaryKeyRelatedField(
        queryset=Author.objects.select_related("publisher"), allow_null=True, required=False
    )

    class Meta:
        model = Book
        fields: tuple[str, ...] = ("isbn", "author_name", "publisher", "author", "status")


class LoanSerializer(serializers.ModelSerializer[Loan]):
    class Meta:
        model = Loan
        fields = ("digest", "begun_at")


class BookDetailSerializer(BookSerializer):
    """One book with its newest loan."""

    latest_loan = serializers.SerializerMethodField()

    class Meta(BookSerializer.Meta):
        fields = (*BookSerializer.Meta.fields, "latest_loan")

    def get_latest_loan(self, book: Book) -> dict[str, Any] | None:
        loan = Loan.objects.newest_of(book)
        return None if loan is None else dict(LoanSerializer(loan).data)


class PublisherSerializer(serializers.ModelSerializer[Publisher]):
    authors: serializers.SlugRelatedField[Author] = serializers.SlugRelatedField(
        many=True, read_only=True, slug_field="name"
    )

    class Meta:
        model = Publisher
        fields = ("name", "authors")
