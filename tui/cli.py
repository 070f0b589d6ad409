"""`tocsin …`: reads the command line, then imports what the chosen command needs and nothing else."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from keyword import iskeyword
from pathlib import Path
from typing import Any, NoReturn

from engine.errors import ConfigError, TocsinError
from engine.text import clean, nearest, plain
from engine.version import __version__

USAGE_ERROR = 2
INTERRUPTED = 130

# Name and summary; the module tui.commands.<name> has `arguments(parser)` and `run(options) -> int`.
# A name that is a word of Python's has an underscore at the end of its module.
COMMANDS = {
    "demo": "the console on a small shop that misbehaves on schedule",
    "init": "write a commented configuration to start from",
    "check": "say everything that is wrong with a configuration",
    "import": "translate a configuration of another tool",
    "schema": "print the JSON Schema of the configuration, for editors",
    "attach": "another console on an engine that runs, or on what the last one left",
    "serve": "the console in a browser of this machine",
    "logs": "search the logs",
    "alerts": "list, acknowledge and resolve alerts",
    "explain": "say why an alert fired or not, and who was told or why nobody was",
    "silence": "tell nobody of certain alerts for a while",
    "maintenance": "tell nobody of certain workflows, or do not run them, while they are worked on",
    "rules": "list rules, test them, and try them on what happened",
    "notify": "try a channel, see its words, list what was told, try again",
    "drill": "prove the way from a check to the channels, by a failure that is none",
    "workflows": "list, pause, resume and run workflows",
    "breakers": "list and reset circuit breakers",
    "metrics": "sum up executions, latencies and alerts of a period",
    "report": "service levels, trends and recommendations of a period",
    "sql": "ask the database in SQL, read-only and bounded",
    "reload": "have a running engine read its configuration again",
    "config": "list, show and compare the configurations that ran",
    "export": "write executions, logs, traces or alerts as files for other programs",
    "db": "copy, restore, check, shrink and measure the database",
    "doctor": "look at versions, files, queues and the engine, and say what to do",
}
_VALUED = ("--config", "--db", "--env", "--junit")

DESCRIPTION = "Runs the checks of a configuration and shows them in a console."


class UsageError(TocsinError):
    """The command line cannot be understood."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(plain(message), f"see {self.prog} --help")

    def understand(self, argv: list[str], options: argparse.Namespace) -> argparse.Namespace:
        """`options` with what `argv` says; options may stand between arguments. Raises UsageError."""
        if self._subparsers is not None:
            return self.parse_args(argv, options)
        return self.parse_intermixed_args(argv, options)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0: done; 1: a target failed (`--once`); 2: a mistake in the command line, the configuration or the
    database, told in one sentence on standard error.
    """
    _prepare_output()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except TocsinError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; what Python would flush at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - border: a person gets a sentence, the log file the traceback
        return _crash(error)


def _prepare_output() -> None:
    """Output that is closed takes everything; a character that it cannot carry becomes `?`."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - kept for the life of the process
    elif isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _run(argv: list[str]) -> int:
    try:
        code = _dispatch(argv)
    except SystemExit as leaving:  # --help and --version
        code = int(leaving.code or 0)
    sys.stdout.flush()
    return code


def _dispatch(argv: list[str]) -> int:
    before, name, after = _split(argv)
    options = main_parser().parse_args(before)
    if name is None:
        name = "console"
    elif name not in COMMANDS:
        raise _unknown(name)
    code = _module(name).run(command_parser(name).understand(after, options))
    assert isinstance(code, int)
    return code


def main_parser() -> Parser:
    """What reads the options before the command."""
    parser = Parser(
        prog="tocsin",
        usage="tocsin [options] [command …]",
        description=DESCRIPTION,
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tocsin {__version__}")
    _add_options(parser)
    return parser


def command_parser(name: str) -> Parser:
    """What reads the arguments of one command; imports its module."""
    parser = Parser(prog=f"tocsin {name}", description=_summary(name), allow_abbrev=False)
    _module(name).arguments(parser)
    return parser


def _module(name: str) -> Any:
    return importlib.import_module(f"tui.commands.{name}{'_' * iskeyword(name)}")


def _split(argv: list[str]) -> tuple[list[str], str | None, list[str]]:
    """The options before the command, the command, and what follows it."""
    is_value = False
    for index, word in enumerate(argv):
        if not is_value and not word.startswith("-"):
            return argv[:index], word, argv[index + 1 :]
        is_value = not is_value and word in _VALUED
    return argv, None, []


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="the configuration (default: ./rules.yaml)")
    add_env(parser, default=None)
    add("--read-only", action="store_true", help="let the console look only: nothing can be changed from it")
    add("--no-ui", action="store_true", help="run without the console until SIGTERM; one line an event")
    add(
        "--once",
        action="store_true",
        help="run every workflow once; exit 0: ok, 1: a target failed, 2: a check broke",
    )
    add("--junit", type=Path, metavar="FILE", help="with --once: also write the results as JUnit XML")
    add_db(parser, default=None)
    add_json(parser, default=False)


def add_env(parser: argparse.ArgumentParser, default: object = argparse.SUPPRESS) -> None:
    """`--env NAME`; as with `add_db`."""
    parser.add_argument(
        "--env", metavar="NAME", default=default,
        help="the environment to use (default: the first one of the file)",
    )  # fmt: skip


def add_db(parser: argparse.ArgumentParser, default: object = argparse.SUPPRESS) -> None:
    """`--db FILE`; commands that take it too leave `default` alone, so that either place counts."""
    parser.add_argument(
        "--db", type=_no_directory, metavar="FILE", default=default,
        help="the database (default: $XDG_STATE_HOME/tocsin/tocsin.db)",
    )  # fmt: skip


def _no_directory(text: str) -> Path:
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{plain(text, 200)} is a directory; name a file in it")
    return path


def add_json(parser: argparse.ArgumentParser, default: object = argparse.SUPPRESS) -> None:
    """`--json`; as with `add_db`."""
    parser.add_argument("--json", action="store_true", default=default, help="print one JSON object a line")


def _epilog() -> str:
    lines = [f"  {name:<9} {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(["commands (each has --help):", *lines])


def _summary(name: str) -> str:
    summary = COMMANDS.get(name, DESCRIPTION).rstrip(".")
    return summary[0].upper() + summary[1:] + "."


def _unknown(name: str) -> UsageError:
    near = nearest(name, COMMANDS)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(COMMANDS)}"
    return UsageError(f"there is no command {plain(name, 40)!r}", hint)


def _fail(error: TocsinError) -> int:
    prefix = "" if isinstance(error, ConfigError) else "tocsin: "
    print(prefix + clean(str(error), 65_536, multiline=True), file=sys.stderr)
    return USAGE_ERROR


def _crash(error: Exception) -> int:
    from engine.paths import state_dir
    from tui.crash import write_crash_log

    print(f"tocsin: {write_crash_log(state_dir() / 'crash.log', error)}", file=sys.stderr)
    return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
