"""The way in: finds the verb, turns errors into one clear message and an exit code."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import click

from seqlab import __version__
from seqlab.cli.ctrl_c import INTERRUPTED, end_at_ctrl_c
from seqlab.cli.streams import (
    err,
    err_of_others,
    err_traceback,
    leave,
    open_closed,
    send_nowhere,
    show_what_can_be_shown,
)
from seqlab.errors import Escaped, PluginError, SeqlabError, UsageError
from seqlab.interrupts import detecting_ctrl_c, forbidding_exit
from seqlab.printable import one_line

VERBS = {
    "init": "Lay out a working folder with experiments and plugins.",
    "run": "Run an experiment.",
    "resume": "Go on with a run from its latest checkpoint.",
    "eval": "Score a split with the model of a run.",
    "generate": "Continue prefixes with the model of a run.",
    "validate": "Check experiment files without training.",
    "explain": "Say where a value comes from and who reads it.",
    "schema": "Print the JSON Schema of everything that is installed.",
    "plugins": "List plugins, what they offer and what failed.",
    "corpus": "Look at a corpus, prepare it ahead, see what is kept.",
    "runs": "List the runs there are.",
    "compare": "Show runs side by side.",
    "doctor": "Check plugins, and the checkpoints of a run.",
}


class Ended(Exception):
    """Its cause ended the verb; click would handle some errors in ways of its own."""


class Verbs(click.Group):
    """Imports a verb's module when it is called for, so that `--help` costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"seqlab.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from seqlab.registry.option_values import suggest

            raise click.UsageError(f"no command '{args[0]}'{suggest(args[0], VERBS)}") from None

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb. The core never exits, and click does so outside: a plugin did it."""
        _expect_a_working_folder()
        try:
            with forbidding_exit():
                return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except (KeyboardInterrupt, EOFError, OSError, RuntimeError) as error:
            raise Ended from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="seqlab")
@click.option("--debug", is_flag=True, help="Show a traceback with every error.")
def seqlab(debug: bool) -> None:
    """A laboratory for sequence models: experiments in YAML, everything in them a plugin."""


def main() -> None:
    """Run the command of this process and exit with its code."""
    open_closed()
    show_what_can_be_shown()
    end_at_ctrl_c()
    code = call(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        leave(stream)
    sys.exit(code)


def call(arguments: list[str]) -> int:
    """Run a command; return its exit code instead of raising."""
    with detecting_ctrl_c(), _logging_to_stderr():
        try:
            return seqlab.main(arguments, prog_name="seqlab", standalone_mode=False) or 0
        except click.ClickException as error:
            shown = io.StringIO()
            error.show(shown)
            err_of_others(shown.getvalue())
            return error.exit_code
        except Ended as ended:
            return _ended_by(ended.__cause__ or ended, "--debug" in arguments)
        except (KeyboardInterrupt, click.Abort):
            return _interrupted()
        except SystemExit:  # click's way to say that nobody reads on
            send_nowhere(sys.stdout)
            return 0
        except Exception as error:
            return _ended_by(error, "--debug" in arguments)


def _ended_by(error: BaseException, debug: bool) -> int:
    """Say what ended the command; return its exit code."""
    from seqlab.registry.attribution import raised_in_plugin

    if isinstance(error, Escaped):
        return _report(error.__cause__ or error)
    if isinstance(error, SeqlabError):
        return _told(error, debug)
    if isinstance(error, KeyboardInterrupt):
        return _interrupted()
    if not isinstance(error, OSError) or raised_in_plugin(error):
        return _report(error)
    if isinstance(error, BrokenPipeError):
        send_nowhere(sys.stdout)
        return 0
    place = f"{error.filename}: " if error.filename else ""
    err(f"seqlab: {one_line(f'{place}{error.strerror or error}')}")
    return SeqlabError.exit_code


def _told(error: SeqlabError, debug: bool) -> int:
    """One line; but complaints, which begin with places of their own, have one each."""
    if debug:
        err_traceback(error)
    if len(error.lines) > 1:
        for line in error.lines:
            err(one_line(line))
    else:
        err(f"seqlab: {one_line(str(error))}")
    return error.exit_code


def _interrupted() -> int:
    err("seqlab: interrupted")
    return INTERRUPTED


def _report(error: BaseException) -> int:
    """Show the traceback of an error that nobody foresaw, and say whose it is."""
    from seqlab.memory import is_out_of_memory, requested_size
    from seqlab.registry.attribution import plugin_of

    if is_out_of_memory(error):
        size = requested_size(error)
        said = "there is not enough memory for this" + (f" (it asked for {size})" if size else "")
        err(f"seqlab: {said}; ask for less at once")
        return SeqlabError.exit_code
    err_traceback(error)
    whose = plugin_of(error) or "seqlab or in a plugin"
    err(f"seqlab: this is a bug in {one_line(whose)}; please report it")
    return PluginError.exit_code


def _expect_a_working_folder() -> None:
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        raise UsageError("the working folder is gone: cd to one that is there") from None


class _Stderr(logging.Handler):
    """Writes to whatever stderr is now: a progress bar may have taken its place."""

    def emit(self, record: logging.LogRecord) -> None:
        word = "warning: " if record.levelno == logging.WARNING else ""
        err(f"seqlab: {word}{one_line(record.getMessage())}")


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    logger, handler = logging.getLogger("seqlab"), _Stderr()
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
