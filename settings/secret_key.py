"""The secret key for development, which is created once per machine and not committed."""

import os
from pathlib import Path

# settings.production rejects a key with this prefix.
from django.core.checks.security.base import SECRET_KEY_INSECURE_PREFIX as PREFIX
from django.core.management.utils import get_random_secret_key


def machine_secret_key(path: Path) -> str:
    """Return the key from the file at `path`; create the file (mode 0600) if it does not exist or has no valid key.

    If several processes start at the same time, all read the same key, because the file is created atomically.
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
