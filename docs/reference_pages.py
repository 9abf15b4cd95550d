"""Pages of the reference, made from what the code itself says: signatures, docstrings, help."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import click
import docstring_parser
from pydantic_core import to_jsonable_python

import seqlab
import seqlab.kernels
import seqlab.testing
from seqlab import contracts, errors, hookspecs, options, records
from seqlab.cli.help_texts import VERBS
from seqlab.cli.main import seqlab as command
from seqlab.experiment import sections
from seqlab.experiment.kinds import KINDS, REQUIRED_SECTIONS, SINGLE, Kind
from seqlab.experiment.yaml12 import dump_flow
from seqlab.generation.generating import Generated
from seqlab.generation.scoring import Scored
from seqlab.hookspecs import EVENTS
from seqlab.registry import load_plugins
from seqlab.registry.option import Option
from seqlab.registry.plugins import Component
from seqlab.registry.signature import core_options, read_signature

WIDTH = 100
OWN = "seqlab"
NESTED = (sections.Checkpoints, sections.Stop)

Lines = Iterator[str]
MARKS: dict[Any, str] = {
    inspect.Parameter.VAR_KEYWORD: "**",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.KEYWORD_ONLY: "kw:",  # an * goes before the first of these
}


def slug(title: str) -> str:
    """The anchor that a forge gives to a heading: its underscores stay."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def write(folder: Path, plugins_readme: Path) -> None:
    """Write every page that has changed."""
    pages = {
        "hooks": hooks(),
        "components": components(),
        "experiment": experiment(),
        "records": record_page(),
        "contracts": contract_page(),
        "results": result_page(),
        "errors": error_page(),
        "python": names(seqlab, "Names of `seqlab`", _public_names()),
        "kernels": names(seqlab.kernels, "Names of `seqlab.kernels`", seqlab.kernels.__all__),
        "testing": names(seqlab.testing, "Names of `seqlab.testing`", seqlab.testing.__all__),
        "command": command_page(),
        "plugins": iter([_within_site(plugins_readme.read_text("utf-8"))]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in pages.items():
        path, text = folder / f"{name}.md", "\n".join(lines) + "\n"
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def _public_names() -> list[str]:
    """What `seqlab.<TAB>` shows first, then the rest."""
    shown = dir(seqlab)
    return [*shown, *sorted({*seqlab._HOME_OF} - {*shown})]


def _within_site(text: str) -> str:
    return text.replace("](../docs/", "](../../")


# -- hooks


def hooks() -> Lines:
    """What plugins implement, and what observers receive."""
    yield "# Hooks\n"
    yield f"API {hookspecs.API}. A plugin implements hooks that return names and factories.\n"
    for kind in KINDS.values():
        yield from _hook(kind)
    yield "## Events\n"
    yield "Methods of an observer. Each is called with one record, as `method(record)`.\n"
    for name, event in vars(hookspecs).items():
        if name in EVENTS:
            yield f"### {name}\n"
            yield from _signature(name, event)
            yield from _text(event)


def _hook(kind: Kind) -> Lines:
    hook = getattr(hookspecs, kind.hook)
    yield f"## {kind.hook}\n"
    yield from _signature(kind.hook, hook)
    yield from _text(hook)
    supplied = ", ".join(f"`{name}`" for name in kind.supplied) or "nothing"
    core = core_options(kind)
    yield f"- Kind: {kind.name}, {kind.what}. seqlab supplies: {supplied}."
    if kind.offers:
        names = ", ".join(f"`{name}`" for name in kind.offers)
        yield f"- A factory that names it, before the `*` and in any order, also gets: {names}."
    if core:
        taken = ", ".join(f"`{name}`" for name in core)
        yield f"- The core reads these keys itself, so they are no option's name: {taken}."
    yield ""


# -- components


def components() -> Lines:
    """Every component that comes with seqlab, from its signature."""
    registry = load_plugins(local=False)
    own = {plugin.name for plugin in registry.plugins if plugin.distribution == OWN}
    yield "# Components\n"
    yield "What comes with seqlab. `seqlab plugins show KIND NAME` prints the same, and"
    yield "`seqlab plugins` lists what else is installed.\n"
    for kind in KINDS:
        yield f"## {KINDS[kind].plural.capitalize()}\n"
        for component in registry.components(kind):
            if component.plugin in own:
                yield from _component(component)


def _component(component: Component) -> Lines:
    yield f"### {component.kind} {component.name}\n"
    yield f"{component.signature.summary}\n"
    if component.signature.wanted:
        names = ", ".join(f"`{name}`" for name in component.signature.wanted)
        yield f"It asks for {names}.\n"
    yield from _options(component.signature.options)
    yield f"Plugin `{component.plugin}`.\n"


def _options(options: Mapping[str, Option]) -> Lines:
    if not options:
        yield "It has no options.\n"
        return
    rows = [
        (f"`{o.name}`", o.type_name(), _default(o), o.bounds(), o.help) for o in options.values()
    ]
    yield from _table(("option", "type", "default", "bounds", "help"), rows)


def _default(option: Option) -> str:
    if option.required:
        return "required"
    return f"`{dump_flow(to_jsonable_python(option.default))}`"


# -- experiment


def experiment() -> Lines:
    """Sections and keys of an experiment."""
    yield "# Experiment\n"
    yield "A YAML file, or a mapping. These are its sections:\n"
    yield from _table(("section", "what it is"), _sections())
    for kind in KINDS.values():
        if kind.section.keys:
            yield f"## Keys of every {kind.name}\n"
            yield from _keys(kind.section.keys)
    for key, section in sections.CORE_SECTIONS.items():
        yield f"## {key}\n"
        yield from _keys(section)
        if section is sections.Train:
            yield from _nested()


def _nested() -> Lines:
    for key, section in zip(("checkpoint", "stop"), NESTED, strict=True):
        yield f"### train.{key}\n"
        yield from _keys(section)


def _sections() -> Iterator[tuple[str, str]]:
    yield "`extends`", "a file that this one is laid over"
    yield "`requires`", "a list of distributions with versions, as in `seqlab-foo>=0.2`"
    for key, kind in SINGLE.items():
        need = f"default: `{kind.section.default}`" if kind.section.default else _need(key)
        yield f"`{key}`", f"the name of a component, or a mapping with `name` and options; {need}"
    yield (
        "`observers`",
        "a list of observers, each written like a component; the console always observes, too",
    )
    for key, section in sections.CORE_SECTIONS.items():
        yield f"[`{key}`](#{key})", f"{read_signature(section).summary} {_need(key).capitalize()}."


def _need(key: str) -> str:
    return "required" if key in REQUIRED_SECTIONS else "optional"


def _keys(section: type) -> Lines:
    signature = read_signature(section)
    yield f"{signature.summary}\n"
    yield from _options(signature.options)


# -- Python


def record_page() -> Lines:
    """What observers receive."""
    found = [
        cls
        for cls in vars(records).values()
        if isinstance(cls, type) and cls.__module__ == records.__name__
    ]
    yield "# Records\n"
    yield f"{inspect.getdoc(records)}\n"
    for cls in found:
        yield from _class(cls.__name__, cls)


def result_page() -> Lines:
    """What generation and scoring return."""
    yield "# Results\n"
    yield "What `Run.generate` and `Run.score` return. As JSON, fields keep their names.\n"
    for cls in (Generated, Scored):
        yield from _class(cls.__name__, cls)


def error_page() -> Lines:
    """Every error that a user can meet, with its exit code."""
    yield "# Errors\n"
    yield f"{inspect.getdoc(errors)}\n"
    found = [cls for cls in vars(errors).values() if _is_error(cls)]
    rows = [(f"[`{c.__name__}`](#{c.__name__.lower()})", _code_of(c), _bases(c)) for c in found]
    yield from _table(("error", "exit code", "is a"), rows)
    for cls in found:
        yield from _class(cls.__name__, cls)


def _is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, errors.SeqlabError)


def _code_of(error: type[errors.SeqlabError]) -> str:
    """Interruptions have the code of what interrupted them."""
    return "130, 143 or 129" if issubclass(error, errors.Interrupted) else str(error.exit_code)


def _bases(error: type) -> str:
    return ", ".join(f"`{base.__name__}`" for base in error.__bases__)


def contract_page() -> Lines:
    """What each kind of component promises."""
    yield "# Contracts\n"
    yield f"{inspect.getdoc(contracts)}\n"
    for name, (source, text) in _aliases().items():
        yield f"## {name}\n"
        yield _code(source)
        yield f"{text}\n"
    for name in contracts.__all__:
        value = getattr(contracts, name)
        if isinstance(value, type):
            yield from _class(name, value)


def _aliases() -> dict[str, tuple[str, str]]:
    """The contracts that are names of types, with the text that stands below them (or none)."""
    modules = [m for m in vars(contracts).values() if inspect.ismodule(m)]
    named = [pair for m in modules for pair in _assigned(m) if isinstance(pair[0], ast.AnnAssign)]
    return {name: (ast.unparse(node), text) for node, name, text in named}


def _assigned(module: Any) -> Iterator[tuple[ast.stmt, str, str]]:
    """The assignments of a module: each with its name, and the text below it (or none)."""
    body = ast.parse(inspect.getsource(module)).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        text = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = inspect.cleandoc(str(after.value.value))
        if isinstance(targets[0], ast.Name):
            yield node, targets[0].id, text


def names(module: Any, title: str, public: Sequence[str]) -> Lines:
    """Every public name of a module."""
    types = {name: text for _, name, text in _assigned(options)}
    yield f"# {title}\n"
    yield f"{_opening(module)}\n"
    for name in sorted(public):
        value = getattr(module, name)
        if getattr(contracts, name, None) is value:
            yield f"## {name}\n\nSee [contracts](contracts.md#{name.lower()}).\n"
        elif name == "hookimpl":  # pluggy's own words are about pluggy
            yield f"## {name}\n\nMarks a hook: `@seqlab.hookimpl` above a function of a plugin.\n"
        elif name in types:
            yield f"## {name}\n"
            yield f"A type of options. {types[name]}\n"
        elif isinstance(value, type):
            yield from _class(name, value)
        elif callable(value):
            yield f"## {name}\n"
            yield from _signature(name, value)
            yield from _text(value)


def _opening(module: Any) -> str:
    return (inspect.getdoc(module) or "").partition("\n\n")[0]


def _class(name: str, cls: type) -> Lines:
    yield f"## {name}\n"
    fields = _fields(cls)
    if fields:
        yield _code(_wrapped(name, [f"{key}: {_type(value)}" for key, value in fields.items()]))
    yield from _text(cls)
    for member, value in _members(cls).items():
        if not member.startswith("_") or member in ("__call__", "__len__"):
            yield from _member(member, value)


def _members(cls: type) -> dict[str, Any]:
    """What a class has, from seqlab's own bases too; an error's are described once."""
    bases = [base for base in reversed(cls.__mro__[1:]) if base.__module__.startswith(f"{OWN}.")]
    inherited = [] if issubclass(cls, Exception) else bases
    return {name: value for each in (*inherited, cls) for name, value in vars(each).items()}


def _fields(cls: type) -> dict[str, Any]:
    if dataclasses.is_dataclass(cls):
        return {field.name: field.type for field in dataclasses.fields(cls)}
    return inspect.get_annotations(cls) if hasattr(cls, "_fields") else {}


def _member(name: str, value: Any) -> Lines:
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    described = getattr(value, "fget", None) or getattr(value, "func", None)
    if described is not None:
        returns = inspect.get_annotations(described).get("return", "")
        yield _code(f"{name}: {_type(returns)}")
        yield from _text(described)
    elif inspect.isfunction(value):
        yield from _signature(name, value)
        yield from _text(value)


# -- docstrings, signatures, tables


def _signature(name: str, function: Callable[..., Any]) -> Lines:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return
    parts = [_parameter(p) for p in signature.parameters.values() if p.name not in ("self", "cls")]
    if any(p.kind is p.KEYWORD_ONLY for p in signature.parameters.values()):
        at = next(i for i, p in enumerate(parts) if p.startswith("kw:"))
        parts = [*parts[:at], "*", *(p.removeprefix("kw:") for p in parts[at:])]
    returns = signature.return_annotation
    arrow = "" if returns is signature.empty else f" -> {_type(returns)}"
    yield _code(_wrapped(name, parts, arrow))


def _parameter(parameter: inspect.Parameter) -> str:
    text = MARKS.get(parameter.kind, "") + parameter.name
    if parameter.annotation is not parameter.empty:
        text += f": {_type(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        text += f" = {_written(parameter.default)}"
    return text


def _written(default: Any) -> str:
    """A default as an author would write it: a path is text, a class its name."""
    if isinstance(default, type):
        return default.__name__
    return repr(str(default) if isinstance(default, Path) else default)


def _type(annotation: Any) -> str:
    """A type as an author would write it."""
    annotation = getattr(annotation, "__forward_arg__", annotation)
    said = annotation if isinstance(annotation, str) else str(inspect.formatannotation(annotation))
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Za-z])", "", said)


def _wrapped(name: str, parts: Sequence[str], arrow: str = "") -> str:
    line = f"{name}({', '.join(parts)}){arrow}"
    if len(line) <= WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){arrow}"


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _text(thing: Any) -> Lines:
    """A docstring: what it says, then its arguments, results and errors."""
    written = getattr(thing, "__doc__", None)
    if not written or written.startswith(f"{getattr(thing, '__name__', '')}("):
        return  # what a dataclass writes of itself is its signature again
    doc = docstring_parser.parse(inspect.cleandoc(written))
    for part in (doc.short_description, doc.long_description):
        if part:
            yield f"{part}\n"
    yield from (f"- `{p.arg_name}`: {_flat(p.description)}" for p in doc.params)
    if doc.returns:
        yield f"- Returns: {_flat(doc.returns.description)}"
    yield from (f"- Raises `{r.type_name}`: {_flat(r.description)}" for r in doc.raises)
    yield ""


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())


def _table(
    columns: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]
) -> Lines:
    for row in (columns, ["---"] * len(columns), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


# -- command


def command_page() -> Lines:
    """The help of the command and of its verbs."""
    yield "# Command\n"
    yield from _help(command, "seqlab")
    for verb in VERBS:
        yield f"## seqlab {verb}\n"
        found = cast("click.Command", command.get_command(click.Context(command), verb))
        yield from _help(found, f"seqlab {verb}")
        for name, inner in getattr(found, "commands", {}).items():
            yield f"### seqlab {verb} {name}\n"
            yield from _help(inner, f"seqlab {verb} {name}")


def _help(found: click.Command, name: str) -> Lines:
    context = click.Context(found, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    yield f"```text\n{found.get_help(context)}\n```\n"
