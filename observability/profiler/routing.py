"""The database router that keeps the tables of silk in a separate database."""

from django.db.models import Model

SILK_APP = "silk"
SILK_ALIAS = "silk"


class SilkRouter:
    """Use the database `silk` for the models of silk, and only for them."""

    def db_for_read(self, model: type[Model], **_hints: object) -> str | None:
        return SILK_ALIAS if model._meta.app_label == SILK_APP else None  # noqa: SLF001 - Django documents `_meta`

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **_hints: object) -> bool | None:
        if SILK_ALIAS in (db, app_label):
            return db == SILK_ALIAS and app_label == SILK_APP
        return None
