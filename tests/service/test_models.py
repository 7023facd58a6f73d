"""Models and their migrations."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError

from service.models import Manufacturer, Truck, TruckModel
from tests.service.fleet import make_trucks, vin

pytestmark = pytest.mark.django_db


def test_migrations_match_the_models() -> None:
    call_command("makemigrations", "service", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("wrong", ["", "short", f"{vin()}0", vin().lower(), f"{vin()[:-1]}\n", f"{vin()}\n"])
def test_vin_without_17_capital_letters_or_digits_is_invalid(wrong: str) -> None:
    with pytest.raises(ValidationError, match="vin"):
        Truck(vin=wrong).full_clean()


def test_vin_is_unique() -> None:
    make_trucks(1)
    with pytest.raises(IntegrityError):
        Truck.objects.create(vin=vin())


def test_name_of_a_model_is_unique_per_manufacturer() -> None:
    first, second = (Manufacturer.objects.create(name=name) for name in ("Foton", "JAC"))
    TruckModel.objects.create(manufacturer=first, name="K7")
    TruckModel.objects.create(manufacturer=second, name="K7")
    with pytest.raises(IntegrityError):
        TruckModel.objects.create(manufacturer=first, name="K7")


def test_str_is_the_vin_or_the_name() -> None:
    truck = make_trucks(1)[0]
    assert (str(truck), str(truck.truck_model)) == (vin(), "Sinotruk HOWO 1")
