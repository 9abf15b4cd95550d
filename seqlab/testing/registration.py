"""What every component promises, whatever its kind: a signature that is its schema."""

from __future__ import annotations

from seqlab.registry.signature import SignatureError
from seqlab.testing.other_process import effects_of_import
from seqlab.testing.promises import Broken, Subject, expect


def signature_is_a_schema(subject: Subject) -> None:
    """The positional parameters are seqlab's, the keyword-only ones typed options."""
    try:
        schemas = {o.name: o.schema for o in subject.signature.options.values()}
    except SignatureError as error:
        raise Broken("a signature that seqlab can call and check", f"it {error}") from error
    expect(all(schemas.values()), "every option's type to narrow what may be written", schemas)


def summary_says_what_it_is(subject: Subject) -> None:
    """The docstring begins with a line that `seqlab plugins show` can print."""
    expect(bool(subject.signature.summary), "a docstring with a first line", "none")


def options_are_documented(subject: Subject) -> None:
    """Every option has a line under `Args:` in the docstring of the class or its `__init__`."""
    bare = [option.name for option in subject.signature.options.values() if not option.help]
    expect(not bare, "help for every option", f"none for {', '.join(bare)}")


def options_have_defaults(subject: Subject) -> None:
    """An option has a default, or it says why it must be given: its help begins with `Required`."""
    unmarked = [
        option.name
        for option in subject.signature.options.values()
        if option.required and not option.help.lower().startswith("required")
    ]
    expect(not unmarked, "a default, or help that begins with `Required`", f"not so: {unmarked}")


def import_changes_nothing(subject: Subject) -> None:
    """Importing the plugin prints nothing and leaves random state and global settings alone."""
    effects = effects_of_import(subject.factory)
    expect(not effects, "an import without side effects", "; ".join(effects))
