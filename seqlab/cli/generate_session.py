"""A session of `seqlab generate`: texts that are typed are continued, and commands change how."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from seqlab.arguments import LARGEST, MOST_TEXTS, MOST_TOKENS, whole_number
from seqlab.cli.colors import error as error_paint
from seqlab.cli.continuing import Settings, label_of, stream_one
from seqlab.cli.options import yaml_text
from seqlab.cli.streams import err, is_terminal, out
from seqlab.cli.typed_lines import typed_lines
from seqlab.contracts import SearchDecoder
from seqlab.errors import SeqlabError, UsageError
from seqlab.experiment.located import Origin, plain
from seqlab.experiment.yaml12 import load_yaml
from seqlab.printable import one_line
from seqlab.registry.option_values import suggest

if TYPE_CHECKING:
    from seqlab.registry import Registry
    from seqlab.runs.loaded_run import Run

PROMPT = "> "


@dataclass
class Session:
    """A run and how its texts are generated now; `seen` counts the texts that were continued."""

    run: Run
    settings: Settings
    registry: Registry
    seen: Counter[str] = field(default_factory=Counter)
    ended: bool = False

    def option_names(self) -> list[str]:
        """What `/set` takes."""
        decoders = self.registry.components("decoder")
        return sorted({"decoder", *(name for d in decoders for name in d.signature.options)})

    def decoder_names(self) -> list[str]:
        return [component.name for component in self.registry.components("decoder")]


def converse(run: Run, settings: Settings, registry: Registry, *, keeps_history: bool) -> None:
    """Continue each text that is typed, until the end of the input or `/quit`.

    A sampler continues a text that comes again in another way. Errors of what is typed are told.
    """
    session = Session(run, settings, registry)
    err(_banner(session))
    with typed_lines(PROMPT, lambda words: _completions(session, words), keeps_history) as lines:
        for line in lines:
            try:
                _answer(session, line)
            except SeqlabError as error:
                for problem in error.lines:
                    err(f"seqlab: {one_line(problem)}", paint=error_paint)
            except KeyboardInterrupt:
                out()
            if session.ended:
                return


def _banner(session: Session) -> str:
    run = session.run
    return (
        f"seqlab: {run.path}, step {run.checkpoint.step:,}, decoder {_decoder(session)}\n"
        "Type a text to continue it; /help lists commands; Ctrl-C ends a text, Ctrl-D the session."
    )


def _decoder(session: Session) -> str:
    """The decoder as an experiment would have it, with what is not as by default."""
    settings = session.settings
    bound = session.run.resolved_with(settings.limits["overrides"], **settings.decoder).decoder
    options, section = bound.component.signature.options, bound.as_section()
    set_here = {key for key, value in bound.options.items() if options[key].default != value}
    kept = {key: value for key, value in section.items() if key in {"name", *set_here}}
    return yaml_text(kept) if set_here else str(section["name"])


def _answer(session: Session, line: str) -> None:
    if line.startswith("/") and not line.startswith("//"):
        _obey(session, line)
    elif line:
        _continue(session, line.removeprefix("/") if line.startswith("//") else line)


def _continue(session: Session, text: str) -> None:
    settings = session.settings
    decoder = session.run.decoder_with(settings.limits["overrides"], **settings.decoder)
    for number in range(settings.num):
        if settings.num > 1 and is_terminal(sys.stdout):
            out(label_of(text, number + 1, settings.num))
        repeat = number if isinstance(decoder, SearchDecoder) else session.seen[text]
        stream_one(session.run, text, settings, repeat)
        session.seen[text] += 1


def _obey(session: Session, line: str) -> None:
    """Do a command.

    Raises:
        UsageError: there is no such command, or it takes something else.
    """
    name, _, rest = line[1:].partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        hint = suggest(name, COMMANDS) or "; /help lists the commands"
        raise UsageError(f"no command '/{name}'{hint} (a text that begins with / is typed //)")
    command.do(session, rest.strip())


def _set(session: Session, text: str) -> None:
    """Show the decoder, or change one of its options, which are checked."""
    name, _, value = text.partition(" ")
    if not value.strip():
        if name:
            raise UsageError(f"/set {name}: needs a value, as in /set temperature 0.7")
        out(f"decoder {_decoder(session)}")
        return
    changed = _with_option(session.settings, name, _value(value.strip()))
    changed.check(session.run)
    session.settings = changed
    out(f"decoder {_decoder(session)}")


def _with_option(settings: Settings, name: str, value: Any) -> Settings:
    """Another decoder has its own options; another option ends `--greedy`."""
    if name == "decoder":
        limits = {**settings.limits, "overrides": ()}
        return replace(settings, limits=limits, decoder={name: value})
    kept = {key: old for key, old in settings.decoder.items() if key != "greedy"}
    return replace(settings, decoder={**kept, name: value})


def _value(text: str) -> Any:
    """A value, as an experiment has it."""
    return plain(load_yaml(text, Origin("/set")))


def _seed(session: Session, text: str) -> None:
    session.settings = _with_limit(session.settings, "seed", text, 0, LARGEST)
    session.seen.clear()


def _length(session: Session, text: str) -> None:
    session.settings = _with_limit(session.settings, "length", text, 1, MOST_TOKENS)


def _num(session: Session, text: str) -> None:
    session.settings = replace(session.settings, num=_number("num", text, 1, MOST_TEXTS))


def _with_limit(settings: Settings, name: str, text: str, least: int, most: int) -> Settings:
    return replace(settings, limits={**settings.limits, name: _number(name, text, least, most)})


def _number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        raise UsageError(f"/{name}: needs a whole number, as in /{name} 7")
    return whole_number(int(text), f"/{name}", least, most)


def _help(session: Session, _: str) -> None:
    width = max(len(command.usage) for command in COMMANDS.values())
    for command in COMMANDS.values():
        out(f"  {command.usage.ljust(width)}  {command.help}")
    out(f"  options of decoders: {', '.join(session.option_names())}")
    limits = session.settings.limits
    now = f"length {limits['length']}, num {session.settings.num}, seed {limits['seed']}"
    out(f"  now: {now}, decoder {_decoder(session)}")


def _quit(session: Session, _: str) -> None:
    session.ended = True


@dataclass(frozen=True)
class Command:
    usage: str
    help: str
    do: Callable[[Session, str], None]


COMMANDS: Mapping[str, Command] = {
    "help": Command("/help", "these lines", _help),
    "set": Command("/set OPTION VALUE", "an option of the decoder, or `decoder NAME`", _set),
    "seed": Command("/seed N", "of the random numbers; texts come again as they did", _seed),
    "length": Command("/length N", "the most tokens of a continuation", _length),
    "num": Command("/num N", "continuations of each text", _num),
    "quit": Command("/quit", "end the session, as Ctrl-D does", _quit),
}


def _completions(session: Session, words: list[str]) -> Iterator[str]:
    """What the last of the words of a line may become."""
    if len(words) == 1 and words[0].startswith("/"):
        names: list[str] = [f"/{name}" for name in COMMANDS]
    elif words[:1] == ["/set"] and len(words) == 2:
        names = session.option_names()
    elif words[:2] == ["/set", "decoder"] and len(words) == 3:
        names = session.decoder_names()
    else:
        names = []
    return (name for name in names if name.startswith(words[-1]))
