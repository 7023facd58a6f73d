"""List the benchmarks (`python -m benchmarks`) or run one (`python -m benchmarks NAME`).

The list is read from the source files, so `bin/bench` can print it before any package is installed.
"""

import ast
import importlib
import sys
from pathlib import Path

USAGE = """\
usage: bin/bench [NAME [options] | --help]

Run a benchmark and print its results. `bin/bench NAME --help` lists its options.

"""


def find_benchmarks() -> dict[str, str]:
    """Return the modules that have a function `main`, with the first line of their docstrings."""
    return {
        path.stem: (ast.get_docstring(module) or "").partition("\n")[0]
        for path in sorted(Path(__file__).parent.glob("[!_]*.py"))
        for module in [ast.parse(path.read_text(encoding="utf-8"))]
        if any(isinstance(each, ast.FunctionDef) and each.name == "main" for each in module.body)
    }


def run(arguments: list[str]) -> int:
    """List the benchmarks, or run one. Return the exit code."""
    benchmarks = find_benchmarks()
    name, *options = arguments or ["--help"]
    if name in benchmarks:
        return importlib.import_module(f"benchmarks.{name}").main(options) or 0
    if name in ("-h", "--help"):
        if arguments:
            sys.stdout.write(USAGE)
        sys.stdout.writelines(f"{name:<10} {summary}\n" for name, summary in benchmarks.items())
        return 0
    sys.stderr.write(f"bin/bench: unknown benchmark {name!r}. Available: {', '.join(benchmarks)}\n")
    return 2


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
