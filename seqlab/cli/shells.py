r"""bash, zsh and fish: the script that each reads, and what it asks and is answered.

The script calls the command with `_SEQLAB_COMPLETE=SHELL_complete` and the line up to the cursor in
COMP_LINE; each line of the answer is a word and its help, with a tab between. After a word that
ends in `=`, `.` or `/` no space is added. That bash takes what follows a `=` for a word of its own
is undone here: it is answered with the rest.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import click
from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from seqlab.printable import one_line

VARIABLE = "_SEQLAB_COMPLETE"
MOST = 500  # words that are answered

_BASH = """\
# Completion of %(prog_name)s for bash. Written by `seqlab completion`.
%(complete_func)s() {
    local word line
    line=$(LC_ALL=C; printf %%s "${COMP_LINE:0:COMP_POINT}")
    COMPREPLY=()
    while IFS=$'\\t' read -r word _; do
        COMPREPLY+=("$word")
    done < <(%(complete_var)s=bash_complete COMP_LINE=$line COMP_WORDBREAKS=$COMP_WORDBREAKS \\
        "$1" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=./] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s
# Completion of %(prog_name)s for zsh. Written by `seqlab completion`.
%(complete_func)s() {
    local word help line="${(j: :)words[1,CURRENT-1]} $PREFIX"
    local -a whole begun
    while IFS=$'\\t' read -r word help; do
        word=${word//:/\\\\:}
        [[ -n $help ]] && word="$word:$help"
        if [[ ${word%%%%:*} == *[=./] ]]; then begun+=("$word"); else whole+=("$word"); fi
    done < <(%(complete_var)s=zsh_complete COMP_LINE=$line ${(Q)words[1]} 2>/dev/null)
    (( $#whole )) && _describe -V whole whole
    (( $#begun )) && _describe -V begun begun -S ''
}
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = """\
# Completion of %(prog_name)s for fish. Written by `seqlab completion`.
function %(complete_func)s
    set -l words (commandline -opc)
    set -lx %(complete_var)s fish_complete
    set -lx COMP_LINE (commandline -cp)
    $words[1] 2>/dev/null
end
complete --command %(prog_name)s --no-files --keep-order --arguments "(%(complete_func)s)"
"""


class _Shell(ShellComplete):
    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one at the cursor, without the command; and that one."""
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)
        at_new_word = not line or line[-1].isspace()
        begun = "" if at_new_word or not words else words.pop()
        names = [i for i, word in enumerate(words) if Path(word).name == self.prog_name]
        return words[names[0] + 1 if names else 1 :], begun

    def word_of(self, item: CompletionItem[str], begun: str) -> str:
        """What takes the place of the word that was begun."""
        option, equals, _ = begun.partition("=")
        return f"{option}={item.value}" if equals and option.startswith("-") else str(item.value)

    def format_completion(self, item: CompletionItem[str]) -> str:
        word = self.word_of(item, self.get_completion_args()[1])
        first_line = one_line((item.help or "").strip().partition("\n")[0])
        return f"{word}\t{first_line}" if first_line else word

    def complete(self) -> str:
        """The answer, without words that would break the line of the shell."""
        found = self.get_completions(*self.get_completion_args())
        found = [item for item in found if str(item.value).isprintable()]
        return "".join(f"{self.format_completion(item)}\n" for item in found[:MOST])


class Bash(_Shell):
    """bash, which replaces what follows the last sign that breaks words, such as `=`."""

    name: ClassVar[str] = "bash"
    source_template: ClassVar[str] = _BASH

    def word_of(self, item: CompletionItem[str], begun: str) -> str:
        breaks = os.environ.get("COMP_WORDBREAKS", "=:")
        kept = max((begun.rfind(sign) + 1 for sign in "=:" if sign in breaks), default=0)
        return re.sub(r"([^\w@%+=:,./~-])", r"\\\1", super().word_of(item, begun)[kept:])

    def format_completion(self, item: CompletionItem[str]) -> str:
        return self.word_of(item, self.get_completion_args()[1])


class Zsh(_Shell):
    """zsh, which shows the help of each word."""

    name: ClassVar[str] = "zsh"
    source_template: ClassVar[str] = _ZSH


class Fish(_Shell):
    """fish, which shows the help of each word, and adds no space after `=`, `.` and `/`."""

    name: ClassVar[str] = "fish"
    source_template: ClassVar[str] = _FISH


SHELLS = {shell.name: shell for shell in (Bash, Zsh, Fish)}


def script(shell: str, command: click.Command) -> str:
    """The text that a shell reads."""
    return SHELLS[shell](command, {}, "seqlab", VARIABLE).source()


def answer(command: click.Command) -> None:
    """Print what the shell that asks may complete; nothing at all if anything is wrong."""
    with suppress(BaseException):
        _silence()
        shell = os.environ[VARIABLE].partition("_")[0]
        text = SHELLS[shell](command, {}, "seqlab", VARIABLE).complete()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


def _silence() -> None:
    """Send what is printed on stderr nowhere, for as long as the process is there."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
