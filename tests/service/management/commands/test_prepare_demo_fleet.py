"""manage.py prepare, and the demo fleet"""

from service.models import Truck
from tests.service.fleet import make_trucks
from tests.service.management.commands.test_prepare import debug as debug
from tests.service.management.commands.test_prepare import prepare


def test_first_run_loads_the_demo_fleet(debug: None) -> None:
    assert prepare()[0] == "Loaded the demo fleet: 500 trucks with 1557 frames, and 4 real frames."
    assert Truck.objects.count() >= 500


def test_demo_fleet_is_not_loaded_if_trucks_exist(debug: None) -> None:
    make_trucks(1)
    assert prepare() == ["Created the login admin with the password admin."]
    assert Truck.objects.count() == 1
