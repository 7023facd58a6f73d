"""`python -m benchmarks` lists the benchmarks, `python -m benchmarks NAME` runs one."""

import importlib
import pkgutil
import sys
from types import ModuleType

import benchmarks


def found() -> dict[str, ModuleType]:
    """The modules of this package that have a `main(arguments)`, by name."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "main")}


def run(arguments: list[str]) -> int:
    """List or run; the exit status."""
    modules = found()
    if not arguments:
        for name, module in modules.items():
            sys.stdout.write(f"{name:<10} {(module.__doc__ or '').strip().splitlines()[0]}\n")
        return 0
    name, *others = arguments
    if name not in modules:
        sys.stderr.write(f"There is no benchmark {name!r}: choose one of {', '.join(modules)}.\n")
        return 2
    return modules[name].main(others) or 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
