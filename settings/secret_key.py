"""The secret key of a developer's machine, made once and kept out of git."""

import os
from pathlib import Path

# By its prefix settings.production refuses the key.
from django.core.checks.security.base import SECRET_KEY_INSECURE_PREFIX as PREFIX
from django.core.management.utils import get_random_secret_key


def machine_secret_key(path: Path) -> str:
    """The key in the file at `path` (mode 0600), which is made when it is not there.

    Safe when several processes start at once: the file appears whole or not at all, and all of them read the first.
    """
    if not path.is_file() or not path.read_text().startswith(PREFIX):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.write_text(PREFIX + get_random_secret_key())
        draft.chmod(0o600)
        try:
            os.link(draft, path)
        except FileExistsError:
            if not path.read_text().startswith(PREFIX):
                draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text()
