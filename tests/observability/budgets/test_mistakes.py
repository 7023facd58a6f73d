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

from service.models import Manufacturer


class Maker(serializers.ModelSerializer[Manufacturer]):
    models = serializers.SlugRelatedField(source="truck_models", many=True, read_only=True, slug_field="name")

    class Meta:
        model = Manufacturer
        fields = ("name", "models")
""",
    VIEWS: """

from service.api.serializers import Maker
from service.models import Manufacturer


class Makers(mixins.ListModelMixin, GenericViewSet):
    queryset = Manufacturer.objects.prefetch_related("truck_models")
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
from service.models import Manufacturer, TruckModel
from tests.service.fleet import make_trucks

def fill(count):
    make_trucks(count)
    for number in range(count):
        maker = Manufacturer.objects.create(name=f"Maker {number}")
        TruckModel.objects.create(manufacturer=maker, name="one")

@pytest.mark.parametrize("path", ["trucks/", "trucks/status-counts/", "makers/"])
def test_route(path, client, django_assert_constant_queries):
    django_assert_constant_queries(fill, lambda: client.get(f"/api/v1/{path}"))
"""

# What is replaced in which file, by what, and what the message says; {code} stands for the line that has this code.
COUNT = "        counts = Truck.objects.status_counts()\n"
METHOD = '    class Meta:\n        model = Truck\n        fields: tuple[str, ...] = (\n            "vin",\n'
COUNTING = (
    "    frames = serializers.SerializerMethodField()\n\n"
    "    def get_frames(self, truck):\n        return truck.frames.count()\n\n"
)
MISTAKES = {
    "dropped select_related": (
        QUERYSETS,
        'return self.select_related("truck_model__manufacturer")',
        "return self.all()",
        [
            "field  service.api.serializers.TruckSummary.model (source='truck_model.name')",
            'try    select_related("truck_model") on the queryset',
        ],
    ),
    "dropped prefetch_related": (
        VIEWS,
        '.prefetch_related("truck_models")',
        ".all()",
        [
            "field  service.api.serializers.Maker.models (source='truck_models')",
            'try    prefetch_related("truck_models") on the queryset of Makers (service/api/views.py:',
        ],
    ),
    "method that counts": (
        SERIALIZERS,
        METHOD,
        COUNTING + METHOD + '            "frames",\n',
        [
            "field  service.api.serializers.TruckSummary.frames",
            "line   service/api/serializers.py:{truck.frames.count()} TruckSummary.get_frames",
            "try    annotate(…=Count(…)) on the queryset",
        ],
    ),
    "exists in a loop": (
        VIEWS,
        COUNT,
        COUNT + "        [truck.frames.exists() for truck in Truck.objects.all()]\n",
        [
            "line   service/api/views.py:{truck.frames.exists()} Trucks.status_counts",
            "try    annotate(…=Exists(…)) on the queryset",
        ],
    ),
    "cursor in a loop": (
        VIEWS,
        COUNT,
        COUNT + "        from django.db import connection\n"
        "        for truck in Truck.objects.all():\n"
        "            with connection.cursor() as cursor:\n"
        "                cursor.execute('SELECT 1 FROM service_telemetryframe WHERE truck_id = %s', [truck.pk])\n",
        ["line   service/api/views.py:{cursor.execute} Trucks.status_counts", "try    one statement before the loop"],
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
