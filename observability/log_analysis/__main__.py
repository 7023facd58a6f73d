"""`python -m observability.log_analysis`: the logs of any machine, without settings, a service or its secrets."""

import argparse
import sys
from pathlib import Path

from observability.log_analysis.answer import Output, answer
from observability.log_analysis.arguments import add_arguments
from observability.log_analysis.mistake import ReadingError
from observability.log_analysis.terminal import Terminal, abandon_stdout

PROGRAM = "python -m observability.log_analysis"
DEFAULT_PLACES = [Path("var/log")]


def main(arguments: list[str]) -> int:
    """Answer on standard output; the exit status."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Reads log files of JSON lines with their rotated files, compressed or not."
    )
    parser.add_argument("--no-color", action="store_true", help="no colours, in a terminal too")
    parser.add_argument("--force-color", action="store_true", help="colours, elsewhere too")
    add_arguments(parser, PROGRAM)
    options = vars(parser.parse_args(arguments))
    terminal = Terminal.of(sys.stdout, no_color=options["no_color"], force_color=options["force_color"])
    output = Output(lambda line: sys.stdout.write(f"{line}\n"), lambda line: sys.stderr.write(f"{line}\n"), terminal)
    try:
        answer(options, output, DEFAULT_PLACES)
        sys.stdout.flush()
    except ReadingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:
        abandon_stdout()
    except KeyboardInterrupt:
        return 130 if options["question"] else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
