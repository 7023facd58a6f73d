"""The database router that keeps silk's tables in a database of their own."""

from typing import Any

from django.db.models import Model

SILK_APP = "silk"
SILK_ALIAS = "silk"


class SilkRouter:
    """Sends silk's models to the database `silk`, and lets nothing else in there."""

    def db_for_read(self, model: type[Model], **_: Any) -> str | None:  # noqa: ANN401 - Django's signature
        return SILK_ALIAS if model._meta.app_label == SILK_APP else None  # noqa: SLF001 - Django's way to ask

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:  # noqa: ANN401 - Django's signature
        if SILK_ALIAS in (db, app_label):
            return db == SILK_ALIAS and app_label == SILK_APP
        return None
