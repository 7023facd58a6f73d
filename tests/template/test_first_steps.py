"""What a user of the template does first: give the service a name, and add a model, in the style of the tutorials."""

from pathlib import Path

import pytest

from tests.server import ROOT
from tests.template.project import Project, make_project

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "start-a-service.md").read_text()

MODEL = """

class Book(models.Model):
    title = models.CharField(max_length=200)
    subtitle = models.CharField(max_length=200, null=True, blank=True)

    class Meta:
        ordering = ['title']

    def __str__(self):
        return self.title
"""

SERIALIZER = """

class BookSerializer(serializers.ModelSerializer):
    class Meta:
        model = Book
        fields = ['id', 'title', 'subtitle']
"""

VIEWS = """\
import logging
from rest_framework import viewsets
from django.http import Http404
from rest_framework.response import Response
from rest_framework.decorators import action
from .serializers import BookSerializer
from service.models import Book

logger = logging.getLogger(__name__)


class BookViewSet(viewsets.ModelViewSet):
    \"\"\"
    Books, and how many there are.
    \"\"\"
    queryset = Book.objects.all()
    serializer_class = BookSerializer
    pagination_class = None
    search_fields = ['title']

    @action(detail=False)
    def count(self, request, format=None):
        logger.info(f'{self.queryset.count()} books')
        return Response({'count': Book.objects.count()})

    @action(detail=True)
    def cover(self, request, pk=None):
        try:
            book = Book.objects.get(pk=pk)
        except Book.DoesNotExist:
            raise Http404("Book does not exist")
        return Response("The cover of %s." % book)
"""

TEST = """\
import pytest
from service.models import Book


@pytest.fixture
def book(db):
    return Book.objects.create(title='Two Scoops of Django')


def test_books_are_listed(client, book):
    response = client.get('/api/v1/books/')
    assert response.status_code == 200
    assert response.json() == [{'id': book.id, 'title': 'Two Scoops of Django', 'subtitle': None}]
"""

APP_VIEWS = """\
from django.http import HttpResponse
from django.shortcuts import render
from .models import Review


def index(request):
    return HttpResponse("There are %s reviews." % Review.objects.count())
"""

APP_MODELS = """\
from django.db import models


class Review(models.Model):
    book = models.ForeignKey('service.Book', on_delete=models.CASCADE)
    pub_date = models.DateTimeField("date published")
"""

APP_TESTS = """\
from django.test import TestCase


class ReviewIndexTests(TestCase):
    def test_no_reviews(self):
        response = self.client.get("/reviews/")
        self.assertContains(response, "There are 0 reviews.")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the template with a name of its own, a new model with its route, and a new app."""
    project = make_project(tmp_path_factory.mktemp("template"))
    rename(project)
    add_model(project)
    add_app(project)
    return project


def rename(project: Project) -> None:
    """Run the command of the page."""
    (command,) = [line.strip() for line in PAGE.splitlines() if line.strip().startswith("perl ")]
    project.succeed("sh", "-c", command)


def add_model(project: Project) -> None:
    project.append("service/models.py", MODEL)
    project.replace("service/api/serializers.py", "from service.models import ", "from service.models import Book, ")
    project.append("service/api/serializers.py", SERIALIZER)
    project.write("service/api/books.py", VIEWS)
    project.replace(
        "service/api/urls.py", "from service.api.views", "from .books import BookViewSet\nfrom service.api.views"
    )
    project.replace(
        "service/api/urls.py", "\nurlpatterns = ", "router.register(r'books', BookViewSet)\n\nurlpatterns = "
    )
    project.replace("service/admin.py", "from service.models import ", "from service.models import Book, ")
    project.append("service/admin.py", "\nadmin.site.register(Book)\n")
    project.write("tests/service/test_books.py", TEST)
    project.manage("makemigrations")


def add_app(project: Project) -> None:
    project.manage("startapp", "reviews")
    project.replace("settings/base.py", '    "service",\n', "    \"service\",\n    'reviews',\n")
    project.replace(
        "settings/urls.py",
        "\nurlpatterns = [\n",
        "from reviews import views\n\nurlpatterns = [\n    path('reviews/', views.index),\n",
    )
    project.write("reviews/models.py", APP_MODELS)
    project.write("reviews/views.py", APP_VIEWS)
    project.write("reviews/tests.py", APP_TESTS)
    project.manage("makemigrations")


def test_service_serves_the_new_routes_under_its_new_name(project: Project) -> None:
    with project.served() as service:
        assert service.get("/api/v1/books/") == (200, "[]")
        assert service.get("/api/v1/books/count/") == (200, '{"count":0}')
        assert service.get("/reviews/") == (200, "There are 0 reviews.")
        assert service.get("/admin/login/")[0] == 200
    assert f"  API       http://127.0.0.1:{service.port}/api/v1/" in service.output.read_text()
    assert '"service.name":"bookshop"' in (project.path / "var" / "log" / "service.jsonl").read_text()


def test_checks_have_nothing_but_the_format_to_say(project: Project) -> None:
    migrations = {path: path.read_text() for path in project.path.glob("*/migrations/000*.py")}
    assert Path("reviews", "migrations", "0001_initial.py") in {path.relative_to(project.path) for path in migrations}
    written = project.succeed("bin/check", "--fix")
    assert [line.split()[-1] for line in written.splitlines()[2:]] == ["passed"] * 6
    assert {path: path.read_text() for path in migrations} == migrations


def test_tests_pass_with_the_budgets_that_they_record(project: Project) -> None:
    project.succeed("bin/test", "reviews/tests.py", "tests/service/test_books.py", "--query-budget=record")
    assert '"GET /api/v1/books/"' in (project.path / "service" / "query_budgets.json").read_text()
    project.succeed("bin/test", "tests/service", "tests/settings/test_layers.py")
