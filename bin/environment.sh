# Every command sources this file first. It changes to the root of the repository and sets `python` to the first Python
# that runs and is new enough. It runs each candidate, because a program on the PATH may not work: a pyenv shim fails if
# its version is not installed. If no Python is suitable, it prints what to do and exits with 1.
# shellcheck shell=sh

CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0" 2>/dev/null || printf '%s' "$0")")/.." || exit

python=
too_old=
for candidate in ${PYTHON:+"$PYTHON"} python3 python3.15 python3.14 python3.13 python3.12 python3.11 python; do
    # Print the path of the interpreter, so that a shim is not started twice, or its version if it is too old.
    answer=$("$candidate" -c '
import sys
old = sys.version_info < (3, 11)
print("%d.%d.%d" % sys.version_info[:3] if old else sys.executable)
sys.exit(old)
' 2>/dev/null) && python=$answer && break
    [ -z "$answer" ] || too_old="$too_old${too_old:+, }$candidate is $answer"
done

if [ -z "$python" ]; then
    echo "This service needs Python 3.11 or newer (${too_old:-no Python was found}). Install it (apt install python3" \
        "python3-venv, brew install python, or https://www.python.org/downloads/), or set PYTHON to its path:" \
        "PYTHON=/path/to/python3 bin/run" >&2
    exit 1
fi
