"""N+1 queries in copies of the probe's API: each fails its test with the field or line at fault and a hint."""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.observability.budgets.conftest import Project
from tests.observability.budgets.inner_pytest import InnerPytest
from tests.server import ROOT

pytestmark = pytest.mark.slow

# The file, the replaced code, its replacement, the path with the N+1 query, and expected lines of the message. Code in
# braces means the number of the line with this code.
FIELDS = '        fields: tuple[str, ...] = ("isbn", "author_name", "publisher", "author", "status")\n'
COUNT = "        counts = Book.objects.status_counts()\n"
DEFECTS = {
    "dropped_select_related": (
        "api.py",
        "Book.objects.with_author()",
        "Book.objects.all()",
        "books/",
        [
            "field  dropped_select_related.serializers.BookSerializer.author_name (source='author.name')",
            'try    select_related("author") on the queryset of BookViewSet (dropped_select_related/api.py:',
        ],
    ),
    "dropped_prefetch_related": (
        "api.py",
        '.prefetch_related("authors")',
        ".all()",
        "publishers/",
        [
            "field  dropped_prefetch_related.serializers.PublisherSerializer.authors",
            'try    prefetch_related("authors") on the queryset of PublisherViewSet (dropped_prefetch_related/api.py:',
        ],
    ),
    "method_that_counts": (
        "serializers.py",
        FIELDS,
        FIELDS.replace('"status")', '"status", "loans")')
        + "\n    loans = serializers.SerializerMethodField()\n\n"
        + "    def get_loans(self, book):\n        return book.loans.count()\n",
        "books/",
        [
            "field  method_that_counts.serializers.BookSerializer.loans",
            "line   method_that_counts/serializers.py:{book.loans.count()} BookSerializer.get_loans",
            "try    annotate(…=Count(…)) on the queryset",
        ],
    ),
    "exists_in_a_loop": (
        "api.py",
        COUNT,
        COUNT + "        [book.loans.exists() for book in Book.objects.all()]\n",
        "books/status-counts/",
        [
            "line   exists_in_a_loop/api.py:{book.loans.exists()} BookViewSet.status_counts",
            "try    annotate(…=Exists(…)) on the queryset",
        ],
    ),
    "cursor_in_a_loop": (
        "api.py",
        COUNT,
        COUNT + "        from django.db import connection\n"
        "        for book in Book.objects.all():\n"
        "            with connection.cursor() as cursor:\n"
        "                cursor.execute('SELECT 1 FROM probe_loan WHERE book_id = %s', [book.pk])\n",
        "books/status-counts/",
        [
            "line   cursor_in_a_loop/api.py:{cursor.execute} BookViewSet.status_counts",
            "try    one query before the loop",
        ],
    ),
}
PATHS = ("books/", "books/status-counts/", "publishers/")

SETTINGS = """
from tests.probe.settings.test import *
from tests.probe.settings.test import OBSERVABILITY, REST_FRAMEWORK

ROOT_URLCONF = "urls"
OBSERVABILITY = OBSERVABILITY | {"CODE_ROOT": "", "BUDGET_FILE": ""}
REST_FRAMEWORK = REST_FRAMEWORK | {"DEFAULT_PERMISSION_CLASSES": []}
"""
URLS = """
from django.urls import include, path

urlpatterns = [path(f"{name}/", include(f"{name}.api")) for name in NAMES]
"""
TESTS = """
import pytest
from tests.probe.library import make_books, make_publishers

def fill(count):
    make_books(count)
    make_publishers(count)

@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", PATHS)
def test_route(name, path, client, django_assert_constant_queries):
    django_assert_constant_queries(fill, lambda: client.get(f"/{name}/{path}"))
"""


@dataclass(frozen=True)
class Copies:
    """The directory with the copies, and the message of each failed test, by copy and path."""

    directory: Path
    failures: dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory, inner: InnerPytest) -> Copies:
    """Create one copy of the API per defect, and test all paths of all copies in one run of pytest."""
    project = Project(tmp_path_factory.mktemp("defects"), inner)
    names = f"NAMES, PATHS = {list(DEFECTS)!r}, {PATHS!r}\n"
    project.write({"project_settings.py": SETTINGS, "urls.py": names + URLS, "test_routes.py": names + TESTS})
    project.configure("addopts = --nomigrations")
    for name, (broken, right, wrong, *_) in DEFECTS.items():
        for file in ("api.py", "serializers.py"):
            source = (ROOT / "tests/probe" / file).read_text()
            source = source.replace("from tests.probe.serializers", f"from {name}.serializers")
            assert file != broken or source.count(right) == 1
            project.write({f"{name}/__init__.py": "", f"{name}/{file}": source.replace(right, wrong)})
    outcome = project.run("--query-budget=off", "--junitxml=junit.xml")
    assert outcome.status == pytest.ExitCode.TESTS_FAILED, outcome.output
    cases = ET.parse(project.path / "junit.xml").iter("testcase")  # noqa: S314 - pytest wrote it
    found: dict[tuple[str, str], str] = {}
    for case in cases:
        path, _, name = case.attrib["name"].removeprefix("test_route[").removesuffix("]").rpartition("-")
        if (failure := case.find("failure")) is not None:
            found[name, path] = failure.text or ""
    return Copies(project.path, found)


def replace_by_line_number(text: str, path: Path) -> str:
    """Replace code in braces with the number of its line."""
    match = re.search(r"\{(.*)\}", text)
    if match is None:
        return text
    lines = path.read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if match[1] in line)
    return text.replace(match[0], str(number))


@pytest.mark.parametrize("name", DEFECTS)
def test_n_plus_one_fails_with_its_field_or_line_and_a_hint(name: str, copies: Copies) -> None:
    file, _, _, path, expected = DEFECTS[name]
    assert [each for each in copies.failures if each[0] == name] == [(name, path)]
    message = copies.failures[name, path]
    assert "+1 per row" in message
    assert "observability/budgets/" not in message
    for line in expected:
        assert replace_by_line_number(line, copies.directory / name / file) in message
