# Every command begins with this file: it goes to the root of the repository and sets `python` to
# the first Python that runs and is new enough. Each candidate is run, because one that is found need not work: a shim
# of pyenv fails where its version is not installed. Without one it ends the command with a sentence.
# shellcheck shell=sh

CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0" 2>/dev/null || printf '%s' "$0")")/.." || exit

python=
too_old=
for candidate in ${PYTHON:+"$PYTHON"} python3 python3.15 python3.14 python3.13 python3.12 python3.11 python; do
    # Prints the interpreter's own path, which spares a shim its second start, or the version that is too old.
    answer=$("$candidate" -c '
import sys
old = sys.version_info < (3, 11)
print("%d.%d.%d" % sys.version_info[:3] if old else sys.executable)
sys.exit(old)
' 2>/dev/null) && python=$answer && break
    [ -z "$answer" ] || too_old="$too_old${too_old:+, }$candidate is $answer"
done

if [ -z "$python" ]; then
    echo "This service needs Python 3.11 or newer (${too_old:-no Python was found}): install it (apt install python3 python3-venv," \
        "brew install python, or https://www.python.org/downloads/) or name one, as in PYTHON=/path/to/python3 bin/run." >&2
    exit 1
fi
