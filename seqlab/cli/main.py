"""The entry point: find the command, and turn errors into a message and an exit code."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import click

from seqlab import __version__
from seqlab.cli import colors, workers
from seqlab.cli.ctrl_c import INTERRUPTED, end_at_ctrl_c
from seqlab.cli.help_texts import GROUPS, START, VERBS, add_examples
from seqlab.cli.remedies import as_options
from seqlab.cli.streams import (
    discard_output,
    err,
    err_foreign,
    err_traceback,
    flush,
    open_closed_streams,
    replace_unencodable,
)
from seqlab.distributed.launched import is_follower
from seqlab.distributed.outcomes import exit_code_of_worker
from seqlab.errors import Escaped, PluginError, SeqlabError, UsageError
from seqlab.interrupts import detecting_ctrl_c, forbidding_exit
from seqlab.printable import one_line
from seqlab.remedies import worded

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from click.shell_completion import CompletionItem


class VerbError(Exception):
    """Wraps an error of a verb that click would otherwise handle in its own way."""


class Verbs(click.Group):
    """Imports the module of a verb when it is used, so that `--help` is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS, *_further()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            from seqlab.cli.further_commands import load_command

            points = _further().get(cmd_name)
            return load_command(cmd_name, points) if points else None
        command: click.Command = import_module(f"seqlab.cli.{cmd_name}").command
        add_examples(command, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from seqlab.registry.option_values import suggest

            names = self.list_commands(ctx)
            raise click.UsageError(f"no command '{args[0]}'{suggest(args[0], names)}") from None

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb. Only a plugin calls `sys.exit`, which `forbidding_exit` catches."""
        _check_working_folder()
        try:
            with forbidding_exit():
                return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except (KeyboardInterrupt, EOFError, OSError, RuntimeError) as error:
            raise VerbError from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete a command without importing all of them, or an option."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        known = VERBS | dict.fromkeys(_further(), "")
        return [CompletionItem(k, help=v) for k, v in known.items() if k.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, verbs in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{verb:<10}", text) for verb, text in verbs.items()])
        if further := _further():
            from seqlab.cli.further_commands import origin

            rows = [(name, " and ".join(map(origin, points))) for name, points in further.items()]
            with formatter.section("Commands of other packages"):
                formatter.write_dl(rows)


def _further() -> dict[str, list[EntryPoint]]:
    from seqlab.cli.further_commands import further_commands

    return further_commands(VERBS)


HELP = "A laboratory for sequence models: experiments in YAML, everything in them a plugin."


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=f"{HELP}\n\n\b\n{START}",
)
@click.version_option(__version__, prog_name="seqlab")
@click.option("--debug", is_flag=True, help="Show a traceback with every error.")
def seqlab(debug: bool) -> None:
    """The command; the verb does the work."""


def main() -> None:
    """Run the command of this process and exit with its code."""
    open_closed_streams()
    if "_SEQLAB_COMPLETE" in os.environ:  # a shell asks what may follow
        from seqlab.cli.shells import answer

        answer(seqlab)
        return
    replace_unencodable()
    end_at_ctrl_c()
    workers.begin_worker()
    code = call(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        flush(stream)
    sys.exit(exit_code_of_worker(code))


def call(arguments: list[str]) -> int:
    """Run a command; return its exit code instead of raising."""
    with detecting_ctrl_c(), worded(as_options), _logging_to_stderr():
        try:
            code = seqlab.main(
                arguments, prog_name="seqlab", standalone_mode=False, obj=list(arguments)
            )
            return code or 0
        except click.ClickException as error:
            shown = io.StringIO()
            error.show(shown)
            err_foreign(shown.getvalue(), paint=colors.usage)
            return error.exit_code
        except VerbError as error:
            return _report(error.__cause__ or error, "--debug" in arguments)
        except (KeyboardInterrupt, click.Abort):
            return _interrupted()
        except SystemExit:  # from click, if the reader of a pipe has ended
            discard_output(sys.stdout)
            return 0
        except Exception as error:
            return _report(error, "--debug" in arguments)


def _report(error: BaseException, debug: bool) -> int:
    """Print a message about an error; return the exit code."""
    from seqlab.registry.attribution import raised_in_plugin

    if isinstance(error, Escaped):
        return _report_bug(error.__cause__ or error)
    if isinstance(error, SeqlabError):
        return _report_known(error, debug)
    if isinstance(error, KeyboardInterrupt):
        return _interrupted()
    if not isinstance(error, OSError) or raised_in_plugin(error):
        return _report_bug(error)
    if isinstance(error, BrokenPipeError):
        discard_output(sys.stdout)
        return 0
    file = f"{error.filename}: " if error.filename else ""
    err(f"seqlab: {one_line(f'{file}{error.strerror or error}')}", paint=colors.error)
    return SeqlabError.exit_code


def _report_known(error: SeqlabError, debug: bool) -> int:
    """Print one line, or one for each complaint about an experiment."""
    if debug:
        err_traceback(error)
    if workers.left_to_launcher(error.exit_code, error.lines, error):
        return error.exit_code
    if len(error.lines) > 1:
        for line in error.lines:
            err(one_line(line), paint=colors.complaint)
    else:
        err(f"seqlab: {one_line(workers.prefixed(str(error)))}", paint=colors.error)
    return error.exit_code


def _interrupted() -> int:
    err("seqlab: interrupted")
    return INTERRUPTED


def _report_bug(error: BaseException) -> int:
    """Print the traceback of an unexpected error, and whose bug it is."""
    from seqlab.memory import is_out_of_memory, requested_size
    from seqlab.registry.attribution import plugin_of

    if is_out_of_memory(error):
        size = requested_size(error)
        requested = f" ({size} were requested)" if size else ""
        err(f"seqlab: there is not enough memory{requested}; use smaller sizes", paint=colors.error)
        return SeqlabError.exit_code
    err_traceback(error)
    whose = plugin_of(error) or "seqlab or in a plugin"
    err(f"seqlab: this is a bug in {one_line(whose)}; please report it", paint=colors.error)
    return PluginError.exit_code


def _check_working_folder() -> None:
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        raise UsageError("the working folder is gone; cd to another one") from None


class _Stderr(logging.Handler):
    """Writes to the current stderr, which a status line may have replaced; a doubt is red."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "warning: " if record.levelno == logging.WARNING else ""
        if is_follower() and not level:
            return  # the first process says the same
        text = f"seqlab: {level}{one_line(workers.prefixed(record.getMessage()))}"
        err(text, paint=_paint_of(record))


def _paint_of(record: logging.LogRecord) -> colors.Paint | None:
    if getattr(record, "doubt", False):
        return colors.red
    paints = {logging.WARNING: colors.warning, logging.ERROR: colors.error}
    return paints.get(record.levelno)


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    logger, handler = logging.getLogger("seqlab"), _Stderr()
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
