"""A laboratory for sequence models: everything that makes an experiment is a plugin.

The names below are loaded when they are first used, so that `import seqlab` costs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:  # `as` says that the name is meant to be had from here
    from seqlab.contracts import Advance as Advance
    from seqlab.contracts import Batch as Batch
    from seqlab.contracts import Cell as Cell
    from seqlab.contracts import Continuation as Continuation
    from seqlab.contracts import Corpus as Corpus
    from seqlab.contracts import Decoder as Decoder
    from seqlab.contracts import Document as Document
    from seqlab.contracts import GreedyWalk as GreedyWalk
    from seqlab.contracts import Ids as Ids
    from seqlab.contracts import IdStep as IdStep
    from seqlab.contracts import Limits as Limits
    from seqlab.contracts import NamedParameters as NamedParameters
    from seqlab.contracts import Observer as Observer
    from seqlab.contracts import Sampler as Sampler
    from seqlab.contracts import SearchDecoder as SearchDecoder
    from seqlab.contracts import Start as Start
    from seqlab.contracts import State as State
    from seqlab.contracts import Tokenizer as Tokenizer
    from seqlab.data.permutation import Permutation as Permutation
    from seqlab.data.text import text_pieces as text_pieces
    from seqlab.data.tokens import Tokens as Tokens
    from seqlab.errors import CorpusError as CorpusError
    from seqlab.errors import CorpusUnavailable as CorpusUnavailable
    from seqlab.errors import ExperimentError as ExperimentError
    from seqlab.errors import SeqlabError as SeqlabError
    from seqlab.experiment import Experiment as Experiment
    from seqlab.experiment import read_experiment as read_experiment
    from seqlab.hookspecs import hookimpl as hookimpl
    from seqlab.model.cores import on_all_cores as on_all_cores
    from seqlab.model.cores import why_not_compiled as why_not_compiled
    from seqlab.model.dropout import Dropout as Dropout
    from seqlab.model.kernels import contiguous as contiguous
    from seqlab.model.kernels import has_onednn_for as has_onednn_for
    from seqlab.model.kernels import tanh as tanh
    from seqlab.model.products import linear as linear
    from seqlab.model.products import outer as outer
    from seqlab.model.products import product as product
    from seqlab.model.products import product_dtype as product_dtype
    from seqlab.model.state import map_state as map_state
    from seqlab.model.state import select_rows as select_rows
    from seqlab.model.steady import steady_linear as steady_linear
    from seqlab.model.unroll import unroll as unroll
    from seqlab.registry import Registry as Registry
    from seqlab.registry import load_plugins as load_plugins
    from seqlab.runs.opened import Run as Run
    from seqlab.runs.opened import open_run as open_run
    from seqlab.runs.resuming import resume as resume
    from seqlab.runs.running import run as run

_HOMES = {
    "seqlab.contracts": (
        "Advance Batch Cell Continuation Corpus Decoder Document GreedyWalk Ids IdStep Limits "
        "NamedParameters Observer Sampler SearchDecoder Start State Tokenizer"
    ),
    "seqlab.data.permutation": "Permutation",
    "seqlab.data.text": "text_pieces",
    "seqlab.data.tokens": "Tokens",
    "seqlab.errors": "CorpusError CorpusUnavailable ExperimentError SeqlabError",
    "seqlab.experiment": "Experiment read_experiment",
    "seqlab.hookspecs": "hookimpl",
    "seqlab.model.cores": "on_all_cores why_not_compiled",
    "seqlab.model.dropout": "Dropout",
    "seqlab.model.kernels": "contiguous has_onednn_for tanh",
    "seqlab.model.products": "linear outer product product_dtype",
    "seqlab.model.state": "map_state select_rows",
    "seqlab.model.steady": "steady_linear",
    "seqlab.model.unroll": "unroll",
    "seqlab.registry": "Registry load_plugins",
    "seqlab.runs.opened": "Run open_run",
    "seqlab.runs.resuming": "resume",
    "seqlab.runs.running": "run",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'seqlab' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return ["__version__", *sorted(_HOME_OF)]
