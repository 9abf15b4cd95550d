"""seqlab: a laboratory for sequence models in which everything that makes an experiment is a plugin.

The names below are loaded when they are first used, so that `import seqlab` costs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from seqlab.contracts import (
        Advance,
        Batch,
        Cell,
        Continuation,
        Corpus,
        Decoder,
        Document,
        Ids,
        Limits,
        NamedParameters,
        Observer,
        Sampler,
        SearchDecoder,
        Start,
        State,
        Tokenizer,
    )
    from seqlab.data.permutation import Permutation
    from seqlab.data.text import text_pieces
    from seqlab.data.tokens import Tokens
    from seqlab.errors import CorpusError, CorpusUnavailable, ExperimentError, SeqlabError
    from seqlab.experiment import Experiment, read_experiment
    from seqlab.hookspecs import hookimpl
    from seqlab.model.state import select_rows
    from seqlab.model.unroll import unroll
    from seqlab.registry import Registry, load_plugins
    from seqlab.runs import Run, open_run, run

_HOMES = {
    "seqlab.contracts": (
        "Advance Batch Cell Continuation Corpus Decoder Document Ids Limits NamedParameters "
        "Observer Sampler SearchDecoder Start State Tokenizer"
    ),
    "seqlab.data.permutation": "Permutation",
    "seqlab.data.text": "text_pieces",
    "seqlab.data.tokens": "Tokens",
    "seqlab.errors": "CorpusError CorpusUnavailable ExperimentError SeqlabError",
    "seqlab.experiment": "Experiment read_experiment",
    "seqlab.hookspecs": "hookimpl",
    "seqlab.model.state": "select_rows",
    "seqlab.model.unroll": "unroll",
    "seqlab.registry": "Registry load_plugins",
    "seqlab.runs": "Run open_run run",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [  # noqa: PLE0604, RUF022 # derived from one table, so that the two cannot differ
    "__version__",
    *sorted(_HOME_OF),
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'seqlab' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
