"""A laboratory for sequence models: everything that makes an experiment is a plugin.

The names below are loaded when they are first used, so that `import seqlab` costs no torch.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:  # `as` says that the name is meant to be had from here
    from seqlab.contracts import COMPLETE as COMPLETE
    from seqlab.contracts import STUCK as STUCK
    from seqlab.contracts import Advance as Advance
    from seqlab.contracts import Batch as Batch
    from seqlab.contracts import Cell as Cell
    from seqlab.contracts import Continuation as Continuation
    from seqlab.contracts import Corpus as Corpus
    from seqlab.contracts import Decoder as Decoder
    from seqlab.contracts import Document as Document
    from seqlab.contracts import Embedding as Embedding
    from seqlab.contracts import EvaluationMethod as EvaluationMethod
    from seqlab.contracts import Exporter as Exporter
    from seqlab.contracts import GreedySteps as GreedySteps
    from seqlab.contracts import Head as Head
    from seqlab.contracts import Ids as Ids
    from seqlab.contracts import IdStep as IdStep
    from seqlab.contracts import Limits as Limits
    from seqlab.contracts import Metric as Metric
    from seqlab.contracts import NamedParameters as NamedParameters
    from seqlab.contracts import Objective as Objective
    from seqlab.contracts import Observer as Observer
    from seqlab.contracts import RemembersChoices as RemembersChoices
    from seqlab.contracts import Sampler as Sampler
    from seqlab.contracts import SearchDecoder as SearchDecoder
    from seqlab.contracts import Start as Start
    from seqlab.contracts import State as State
    from seqlab.contracts import Terms as Terms
    from seqlab.contracts import Tokenizer as Tokenizer
    from seqlab.contracts import TrainedRun as TrainedRun
    from seqlab.contracts import Weighted as Weighted
    from seqlab.contracts import Window as Window
    from seqlab.data.permutation import Permutation as Permutation
    from seqlab.data.tokens import Tokens as Tokens
    from seqlab.documents import text_pieces as text_pieces
    from seqlab.errors import CheckpointError as CheckpointError
    from seqlab.errors import CorpusError as CorpusError
    from seqlab.errors import CorpusUnavailable as CorpusUnavailable
    from seqlab.errors import ExperimentError as ExperimentError
    from seqlab.errors import Interrupted as Interrupted
    from seqlab.errors import PluginError as PluginError
    from seqlab.errors import RunFailed as RunFailed
    from seqlab.errors import SeqlabError as SeqlabError
    from seqlab.errors import UsageError as UsageError
    from seqlab.experiment import Experiment as Experiment
    from seqlab.experiment import read_experiment as read_experiment
    from seqlab.experiment.kinds import Kind as Kind
    from seqlab.factories import CellFactory as CellFactory
    from seqlab.factories import CorpusFactory as CorpusFactory
    from seqlab.factories import DecoderFactory as DecoderFactory
    from seqlab.factories import EmbeddingFactory as EmbeddingFactory
    from seqlab.factories import EvaluationMethodFactory as EvaluationMethodFactory
    from seqlab.factories import ExporterFactory as ExporterFactory
    from seqlab.factories import HeadFactory as HeadFactory
    from seqlab.factories import MetricFactory as MetricFactory
    from seqlab.factories import ObjectiveFactory as ObjectiveFactory
    from seqlab.factories import ObserverFactory as ObserverFactory
    from seqlab.factories import OptimizerFactory as OptimizerFactory
    from seqlab.factories import SamplerFactory as SamplerFactory
    from seqlab.factories import ScheduleFactory as ScheduleFactory
    from seqlab.factories import TokenizerFactory as TokenizerFactory
    from seqlab.factories import component as component
    from seqlab.factories import factory_of as factory_of
    from seqlab.generation.choosing import chooser as chooser
    from seqlab.hookspecs import hookimpl as hookimpl
    from seqlab.kernels import linear_loss as linear_loss
    from seqlab.kernels import on_all_cores as on_all_cores
    from seqlab.kernels import use_kernels as use_kernels
    from seqlab.kernels import why_not_compiled as why_not_compiled
    from seqlab.model.bidirectional import Bidirectional as Bidirectional
    from seqlab.model.stack import Stack as Stack
    from seqlab.model.state import join_rows as join_rows
    from seqlab.model.state import map_state as map_state
    from seqlab.model.state import select_rows as select_rows
    from seqlab.model.unroll import unroll as unroll
    from seqlab.options import Count as Count
    from seqlab.options import File as File
    from seqlab.options import LocalFolder as LocalFolder
    from seqlab.options import Share as Share
    from seqlab.records import Stop as Stop
    from seqlab.registry import Registry as Registry
    from seqlab.registry import load_plugins as load_plugins
    from seqlab.runs.loaded_run import Run as Run
    from seqlab.runs.loaded_run import open_run as open_run
    from seqlab.runs.resuming import resume as resume
    from seqlab.runs.running import run as run
    from seqlab.runs.several import compare as compare
    from seqlab.runs.several import runs as runs
    from seqlab.sweeps.conducting import sweep as sweep
    from seqlab.training.loss import head_loss as head_loss
    from seqlab.training.loss import head_scores as head_scores
    from seqlab.vocabulary import Vocabulary as Vocabulary

_HOMES = {
    "seqlab.contracts": (
        "COMPLETE STUCK Advance Batch Cell Continuation Corpus Decoder Document Embedding "
        "EvaluationMethod Exporter GreedySteps Head Ids IdStep Limits Metric NamedParameters "
        "Objective Observer RemembersChoices Sampler SearchDecoder Start State Terms Tokenizer "
        "TrainedRun Weighted Window"
    ),
    "seqlab.data.permutation": "Permutation",
    "seqlab.documents": "text_pieces",
    "seqlab.data.tokens": "Tokens",
    "seqlab.errors": (
        "CheckpointError CorpusError CorpusUnavailable ExperimentError Interrupted PluginError "
        "RunFailed SeqlabError UsageError"
    ),
    "seqlab.experiment": "Experiment read_experiment",
    "seqlab.experiment.kinds": "Kind",
    "seqlab.factories": (
        "CellFactory CorpusFactory DecoderFactory EmbeddingFactory EvaluationMethodFactory "
        "ExporterFactory HeadFactory MetricFactory ObjectiveFactory ObserverFactory "
        "OptimizerFactory SamplerFactory ScheduleFactory TokenizerFactory component factory_of"
    ),
    "seqlab.generation.choosing": "chooser",
    "seqlab.hookspecs": "hookimpl",
    "seqlab.kernels": "linear_loss on_all_cores use_kernels why_not_compiled",
    "seqlab.options": "Count File LocalFolder Share",
    "seqlab.model.bidirectional": "Bidirectional",
    "seqlab.model.stack": "Stack",
    "seqlab.model.state": "join_rows map_state select_rows",
    "seqlab.model.unroll": "unroll",
    "seqlab.records": "Stop",
    "seqlab.registry": "Registry load_plugins",
    "seqlab.runs.loaded_run": "Run open_run",
    "seqlab.runs.resuming": "resume",
    "seqlab.runs.running": "run",
    "seqlab.runs.several": "compare",
    "seqlab.sweeps.conducting": "sweep",
    "seqlab.training.loss": "head_loss head_scores",
    "seqlab.vocabulary": "Vocabulary",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


_OF_API_1 = (
    "Dropout GreedyWalk contiguous has_onednn_for linear outer product product_dtype steady_linear "
    "tanh"
)


_FOR_USERS = (
    "compare load_plugins open_run read_experiment resume run runs sweep Experiment Run "
    "CheckpointError CorpusError CorpusUnavailable ExperimentError Interrupted PluginError "
    "RunFailed SeqlabError UsageError"
)
_FOR_AUTHORS = (
    "component hookimpl unroll Batch Cell CellFactory Corpus CorpusFactory Count Decoder "
    "DecoderFactory Embedding EmbeddingFactory EvaluationMethod EvaluationMethodFactory "
    "Exporter ExporterFactory Head HeadFactory Ids Metric MetricFactory Objective "
    "ObjectiveFactory Observer ObserverFactory OptimizerFactory Sampler SamplerFactory "
    "ScheduleFactory Share State Stop Tokenizer TokenizerFactory Tokens TrainedRun "
    "Vocabulary Weighted"
)
_SHOWN = [*_FOR_USERS.split(), *_FOR_AUTHORS.split()]
"""What `seqlab.<TAB>` offers; the other names stay, and have their places in the submodules."""


def __getattr__(name: str) -> Any:
    if name == "runs":  # a package that can be called
        return import_module("seqlab.runs")
    home = _HOME_OF.get(name) or ("seqlab.deprecated" if name in _OF_API_1.split() else None)
    if home is None:
        raise AttributeError(f"module 'seqlab' has no attribute {name!r}")
    module = import_module(home)
    if name not in _HOME_OF:
        message = f"seqlab.{name} is of API 1: use {module.INSTEAD[name]}"
        warnings.warn(message, category=DeprecationWarning, stacklevel=2)
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return ["__version__", *sorted(_SHOWN)]
