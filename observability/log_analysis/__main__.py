"""`python -m observability.log_analysis`: read log files without Django and without the settings of a service."""

import argparse
import sys
from pathlib import Path

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.cli import add_arguments, run
from observability.log_analysis.terminal import Output, Terminal, discard_stdout
from observability.text import EscapingStream

PROGRAM = "python -m observability.log_analysis"
DEFAULT_PATHS = [Path("var/log")]


def main(arguments: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Read log files of JSON lines, including rotated and compressed files."
    )
    parser.add_argument("--no-color", action="store_true", help="print without colors, even in a terminal")
    parser.add_argument("--force-color", action="store_true", help="print colors, even if the output is not a terminal")
    add_arguments(parser, PROGRAM)
    parsed = vars(parser.parse_args(arguments))
    terminal = Terminal.of(sys.stdout, no_color=parsed["no_color"], force_color=parsed["force_color"], program=PROGRAM)
    # Output to a file is data, for example CSV.
    stdout = EscapingStream(sys.stdout) if sys.stdout.isatty() else sys.stdout
    stderr = EscapingStream(sys.stderr)
    output = Output(lambda line: stdout.write(f"{line}\n"), lambda line: stderr.write(f"{line}\n"), terminal)
    try:
        run(parsed, output, DEFAULT_PATHS)
        sys.stdout.flush()
    except LogAnalysisError as error:
        stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:
        discard_stdout()
    except KeyboardInterrupt:
        # Ctrl-C is the normal end of following.
        return 130 if parsed["subcommand"] else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
