"""The way in: finds the verb, turns errors into one clear message and an exit code."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module

import click

from seqlab import __version__
from seqlab.errors import ExperimentError, PluginError, SeqlabError

INTERRUPTED = 130

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


class Escaped(Exception):
    """Its cause is an error of a plugin's that looks like one of the command's own."""


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
            from seqlab.registry.checking import suggest

            raise click.UsageError(f"no command '{args[0]}'{suggest(args[0], VERBS)}") from None

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb. The core never exits, and click does so outside: a plugin did it."""
        try:
            return super().invoke(ctx)
        except SystemExit as error:
            raise Escaped from error
        except OSError as error:
            from seqlab.registry.blaming import raised_in_plugin

            if raised_in_plugin(error):
                raise Escaped from error
            raise

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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show becomes a "?"
            stream.reconfigure(errors="replace")
    code = call(sys.argv[1:])
    try:
        sys.stdout.flush()
    except (AttributeError, OSError):  # nobody reads it, or there never was one
        _close_stdout()
    sys.exit(code)


def call(arguments: list[str]) -> int:
    """Run a command; return its exit code instead of raising."""
    with _logging_to_stderr():
        try:
            return seqlab.main(arguments, prog_name="seqlab", standalone_mode=False) or 0
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("seqlab: interrupted", err=True)
            return INTERRUPTED
        except (BrokenPipeError, SystemExit):  # click's way to say the same
            _close_stdout()
            return 0
        except SeqlabError as error:
            if "--debug" in arguments:
                traceback.print_exc()
            click.echo(_said(error), err=True)
            return error.exit_code
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            click.echo(_line(f"{place}{error.strerror or error}"), err=True)
            return SeqlabError.exit_code
        except Escaped as error:
            return _report(error.__cause__ or error)
        except Exception as error:
            return _report(error)


def _report(error: BaseException) -> int:
    """Show the traceback of an error that nobody foresaw, and say whose it is."""
    from seqlab.memory import no_room, wanted
    from seqlab.registry.blaming import plugin_of

    if no_room(error):
        size = wanted(error)
        said = "there is not enough memory for this" + (f" (it asked for {size})" if size else "")
        click.echo(_line(f"{said}; ask for less at once"), err=True)
        return SeqlabError.exit_code
    traceback.print_exception(error)
    whose = plugin_of(error) or "seqlab or in a plugin"
    click.echo(f"seqlab: this is a bug in {whose}; please report it", err=True)
    return PluginError.exit_code


def _said(error: SeqlabError) -> str:
    """One line; but complaints, which begin with places of their own, have one each."""
    message = str(error)
    several = isinstance(error, ExperimentError | PluginError) and "\n" in message
    return message if several else _line(message)


def _line(message: str) -> str:
    """Put the command's name before a message, whatever a name of a file in it may hold."""
    return "seqlab: " + " ".join(message.split("\n"))


def _close_stdout() -> None:
    """Whoever read stdout (`| head`) has seen enough; the rest goes nowhere, without a word."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(AttributeError, OSError):
        os.dup2(nowhere, sys.stdout.fileno())


class _Stderr(logging.Handler):
    """Writes to whatever stderr is now: a progress bar may have taken its place."""

    def emit(self, record: logging.LogRecord) -> None:
        word = "warning: " if record.levelno == logging.WARNING else ""
        with suppress(OSError):  # nobody reads it any more: no reason to end a run
            click.echo(f"seqlab: {word}{record.getMessage()}", err=True)


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    logger, handler = logging.getLogger("seqlab"), _Stderr()
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
