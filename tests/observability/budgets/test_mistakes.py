"""Mistakes made in a copy of the service: each fails the run, and the message names the field or line at fault."""

import re
import shutil
from pathlib import Path

import pytest

from tests.server import ROOT

pytest_plugins = ["pytester"]

COPIED = ["observability", "settings", "service", "logging.yaml", "conftest.py"]
COPIED += ["tests/__init__.py", "tests/conftest.py", "tests/bugsink.py", "tests/databases.py", "tests/server.py"]
COPIED += ["tests/service/__init__.py", "tests/service/conftest.py", "tests/service/fleet.py"]

VIEWS, SERIALIZERS, QUERYSETS = "service/api/views.py", "service/api/serializers.py", "service/querysets.py"

# A view of the copy: the service itself prefetches nothing.
MAKERS = {
    SERIALIZERS: """

from tests.probe.models import Publisher


class Maker(serializers.ModelSerializer[Publisher]):
    models = serializers.SlugRelatedField(source="authors", many=True, read_only=True, slug_field="name")

    class Meta:
        model = Publisher
        fields = ("name", "models")
""",
    VIEWS: """

from service.api.serializers import Maker
from tests.probe.models import Publisher


class Makers(mixins.ListModelMixin, GenericViewSet):
    queryset = Publisher.objects.prefetch_related("authors")
    serializer_class = Maker
    filter_backends = ()
""",
    "service/api/urls.py": """
from service.api.views import Makers

urlpatterns += [path("makers/", Makers.as_view({"get": "list"}))]
""",
}

TESTS = """
import pytest
from tests.probe.models import Author, Publisher
from tests.probe.library import make_books

def fill(count):
    make_books(count)
    for number in range(count):
        maker = Publisher.objects.create(name=f"Maker {number}")
        Author.objects.create(publisher=maker, name="one")

@pytest.mark.parametrize("path", ["books/", "books/status-counts/", "makers/"])
def test_route(path, client, django_assert_constant_queries):
    django_assert_constant_queries(fill, lambda: client.get(f"/api/v1/{path}"))
"""

# What is replaced in which file, by what, and what the message says; {code} stands for the line that has this code.
COUNT = "        counts = Book.objects.status_counts()\n"
METHOD = '    class Meta:\n        model = Book\n        fields: tuple[str, ...] = (\n            "isbn",\n'
COUNTING = (
    "    frames = serializers.SerializerMethodField()\n\n"
    "    def get_frames(self, book):\n        return book.frames.count()\n\n"
)
MISTAKES = {
    "dropped select_related": (
        QUERYSETS,
        'return self.select_related("author__publisher")',
        "return self.all()",
        [
            "field  tests.probe.serializers.BookSerializer.author_name (source='author.name')",
            'try    select_related("author") on the queryset',
        ],
    ),
    "dropped prefetch_related": (
        VIEWS,
        '.prefetch_related("authors")',
        ".all()",
        [
            "field  service.api.serializers.Maker.models (source='authors')",
            'try    prefetch_related("authors") on the queryset of Makers (service/api/views.py:',
        ],
    ),
    "method that counts": (
        SERIALIZERS,
        METHOD,
        COUNTING + METHOD + '            "frames",\n',
        [
            "field  tests.probe.serializers.BookSerializer.frames",
            "line   service/api/serializers.py:{book.frames.count()} BookSerializer.get_frames",
            "try    annotate(…=Count(…)) on the queryset",
        ],
    ),
    "exists in a loop": (
        VIEWS,
        COUNT,
        COUNT + "        [book.frames.exists() for book in Book.objects.all()]\n",
        [
            "line   service/api/views.py:{book.frames.exists()} Books.status_counts",
            "try    annotate(…=Exists(…)) on the queryset",
        ],
    ),
    "cursor in a loop": (
        VIEWS,
        COUNT,
        COUNT + "        from django.db import connection\n"
        "        for book in Book.objects.all():\n"
        "            with connection.cursor() as cursor:\n"
        "                cursor.execute('SELECT 1 FROM probe_loan WHERE book_id = %s', [book.pk])\n",
        ["line   service/api/views.py:{cursor.execute} Books.status_counts", "try    one statement before the loop"],
    ),
}


@pytest.fixture
def copy(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The service in a directory of its own, with one view more and the tests of three routes."""
    monkeypatch.setenv("DATABASE_URL", "sqlite://:memory:")
    for name in COPIED:
        target = pytester.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    for name, code in MAKERS.items():
        with (pytester.path / name).open("a") as file:
            file.write(code)
    (pytester.path / "tests/service/test_routes.py").write_text(TESTS)
    pytester.makeini("[pytest]\nDJANGO_SETTINGS_MODULE = settings.test\nfilterwarnings = error\n")
    return pytester.path


def run(pytester: pytest.Pytester) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "tests/service/test_routes.py")


def with_line(text: str, path: Path) -> str:
    """The text with the number of the line that has the code in braces."""
    match = re.search(r"\{(.*)\}", text)
    if match is None:
        return text
    lines = path.read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if match[1] in line)
    return text.replace(match[0], str(number))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_fails_the_run_and_is_named(mistake: str, copy: Path, pytester: pytest.Pytester) -> None:
    name, right, wrong, expected = MISTAKES[mistake]
    source = (copy / name).read_text()
    assert source.count(right) == 1
    (copy / name).write_text(source.replace(right, wrong))
    result = run(pytester)
    output = result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "+1 per row" in output
    assert "observability/budgets/" not in output
    for line in expected:
        assert with_line(line, copy / name) in output


def test_service_without_a_mistake_passes(copy: Path, pytester: pytest.Pytester) -> None:
    result = run(pytester)
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.OK
