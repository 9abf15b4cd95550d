"""Build every part of an experiment without training, and collect all errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from seqlab.contracts import Document, Ids, Tokenizer, offered
from seqlab.data.preparation import new_tokenizer
from seqlab.data.splits import TRAIN, Source, locating_errors, names_missing_file, open_source
from seqlab.data.tokens import Tokens, encode
from seqlab.documents import text_pieces
from seqlab.errors import (
    Complaint,
    CorpusError,
    CorpusUnavailable,
    ExperimentError,
    PluginError,
    RunFailed,
    SeqlabError,
    UsageError,
)
from seqlab.experiment import Experiment
from seqlab.experiment.sections import Model, Train
from seqlab.generation.prefixes import encode_prefix
from seqlab.model.language_model import LanguageModel
from seqlab.registry import Registry, Resolved, resolve_partially
from seqlab.runs.building import check_split, count_steps, outline
from seqlab.runs.early_checks import check_average, check_evaluated, check_settings
from seqlab.runs.freezing import freeze
from seqlab.runs.observers import Observers
from seqlab.training.eager_optimizers import spare_compiler
from seqlab.training.evaluation import check_scorable
from seqlab.vocabulary import Vocabulary

MAX_READ = 1 << 20  # characters (or ids) of each split
DEFAULT_VOCABULARY = 64  # where the tokenizer cannot be fitted


@dataclass
class DryRun:
    """The result: error messages by their exit codes, and notices."""

    lines: dict[int, list[str]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    errors: list[SeqlabError] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The code of the most basic error: of a plugin, the experiment, the corpus, the run."""
        codes = (PluginError, ExperimentError, CorpusError, RunFailed)
        return next((c.exit_code for c in codes if c.exit_code in self.lines), 0)

    def all_lines(self) -> list[str]:
        """Return every message once, in the order of the exit codes."""
        return list(dict.fromkeys(line for code in sorted(self.lines) for line in self.lines[code]))

    @contextmanager
    def collecting(self, resolved: Resolved, section: str) -> Iterator[None]:
        """Collect the errors of a part; a complaint without a position is about `section`."""
        try:
            yield
        except ExperimentError as error:
            self.errors.append(error)
            self.lines.setdefault(error.exit_code, []).extend(
                str(c if c.where else resolved.complaint(c.message, section))
                for c in error.complaints
            )
        except SeqlabError as error:
            self.errors.append(error)
            self.lines.setdefault(error.exit_code, []).extend(error.lines)


@dataclass
class _Sample:
    """The beginning of a split; `whole` if that is all of it."""

    documents: list[Document]
    whole: bool


def validate(experiment: Experiment, registry: Registry) -> DryRun:
    """Collect all errors of an experiment: of its names and options, and of its parts.

    The beginning of every split is read. The model takes no memory. Components that could not be
    resolved are skipped.
    """
    resolved, binder = resolve_partially(experiment, registry)
    result = _build_parts(resolved)
    code = PluginError.exit_code if binder.plugin_at_fault else ExperimentError.exit_code
    if binder.complaints:
        result.lines[code] = [*map(str, binder.complaints), *result.lines.get(code, [])]
    result.notices[:0] = binder.notices
    return result


def _build_parts(resolved: Resolved) -> DryRun:
    result = DryRun()
    train, model = resolved.train or Train(steps=1), resolved.model or Model()
    resolved = replace(resolved, train=train, model=model)
    samples: dict[str, _Sample] = {}
    if source := _open(result, resolved):
        for split in source.corpus.splits:
            with result.collecting(resolved, "corpus"), locating_errors(resolved):
                samples[split] = _read_sample(source, split)
        with result.collecting(resolved, "evaluation"):
            check_settings(resolved)
            if resolved.evaluation is not None:
                check_split(resolved, source, resolved.evaluation.split)
    tokenizer = _fit_tokenizer(result, resolved, samples.get(TRAIN))
    steps = _check_samples(result, resolved, samples, tokenizer)
    vocabulary = _vocabulary(tokenizer, samples.get(TRAIN)) if tokenizer else _unknown(resolved)
    _build_textless_parts(result, resolved, vocabulary, steps)
    _build_decoder(result, resolved, tokenizer)
    if tokenizer and samples[TRAIN].whole and resolved.samples:
        for prefix in resolved.samples.prefixes:
            try:
                encode_prefix(tokenizer, prefix)
            except UsageError as error:
                result.notices.append(f"samples: {error}; it will be skipped")
    return result


def check_parts(resolved: Resolved) -> None:
    """Raise all errors of the parts and their options at once, before anything is read."""
    result = DryRun()
    with result.collecting(resolved, "tokenizer"):
        new_tokenizer(resolved.tokenizer)
    _build_textless_parts(result, resolved, _unknown(resolved), resolved.train.steps)
    _build_decoder(result, resolved)
    if not result.lines:
        return
    with result.collecting(resolved, "corpus"):
        open_source(resolved, fingerprint=False)
    if len(result.errors) == 1 and not isinstance(result.errors[0], ExperimentError):
        raise result.errors[0]
    complaints = [Complaint("", "", line) for line in result.all_lines()]
    raise ExperimentError(complaints, plugin_at_fault=result.exit_code == PluginError.exit_code)


def _build_textless_parts(
    result: DryRun, resolved: Resolved, vocabulary: Vocabulary, steps: int | None
) -> None:
    """Build the parts that need no text: model, optimizer, schedule, observers."""
    model, refused = None, True
    with result.collecting(resolved, "model"):
        if resolved.cell and resolved.embedding and resolved.head and resolved.objective:
            model, refused = _outline(resolved, vocabulary), False
    spare_compiler()
    optimizer: Optimizer | None = None
    with result.collecting(resolved, "optimizer"):
        # Without a model that is refused there is no telling what names its parameters have.
        if resolved.optimizer and (model is not None or refused):
            stand_in = list(nn.Linear(2, 2).named_parameters())
            optimizer = resolved.optimizer.build(freeze(resolved, model) if model else stand_in)
            check_evaluated(resolved, optimizer)
            if resolved.train:
                check_average(resolved, optimizer)
    if isinstance(optimizer, Optimizer) and steps and resolved.schedule:
        with result.collecting(resolved, "schedule"):
            resolved.schedule.build(optimizer, steps, epoch_of=lambda step: step)
    with result.collecting(resolved, "observers"):
        Observers(resolved.observers)


def _outline(resolved: Resolved, vocabulary: Vocabulary) -> LanguageModel | None:
    """Outline the model; None: that cannot be done, or not before the vocabulary is known.

    What is given a vocabulary may refuse one that is made up, and take the one that the text has.
    """
    try:
        return outline(resolved, vocabulary)
    except ExperimentError as error:
        keys = {complaint.key for complaint in error.complaints}
        if vocabulary.is_known or not keys <= _given_vocabulary(resolved):
            raise
        return None


def _given_vocabulary(resolved: Resolved) -> set[str]:
    """The keys of the components that are built for a vocabulary."""
    given = [*resolved.embedding.everything(), *resolved.head.everything()]
    given += [part for part in resolved.objective.everything() if "vocabulary" in part.wants]
    return {part.key for part in given}


def _build_decoder(result: DryRun, resolved: Resolved, tokenizer: Tokenizer | None = None) -> None:
    """Build the decoder, unless it asks for a fitted tokenizer and there is none yet."""
    if not resolved.decoder or (tokenizer is None and "tokenizer" in resolved.decoder.wants):
        return
    with result.collecting(resolved, "decoder"):
        resolved.decoder.build(tokenizer=tokenizer)


def _open(result: DryRun, resolved: Resolved) -> Source | None:
    """Open the corpus; None: it has errors, or is not downloaded yet, which is only a notice."""
    if not resolved.corpus:
        return None
    source: Source | None = None
    with result.collecting(resolved, "corpus"):
        try:
            source = open_source(resolved, fingerprint=False)
        except CorpusUnavailable as error:
            if names_missing_file(resolved, str(error)):
                raise
            result.notices.append(f"its corpus is not here yet, so it was not checked: {error}")
    return source


def _read_sample(source: Source, split: str) -> _Sample:
    documents, left = list[Document](), MAX_READ
    for document in source.own_documents(split):
        if isinstance(document, Ids):
            cut: Document = Ids(document.ids[:left], None)
            left -= len(document.ids)
        else:
            pieces = []
            for piece in text_pieces(document):
                pieces.append(piece[:left])
                left -= len(piece)
                if left <= 0:
                    break
            cut = "".join(pieces)
        documents.append(cut)
        if left <= 0:
            return _Sample(documents, whole=False)
    return _Sample(documents, whole=True)


def _fit_tokenizer(result: DryRun, resolved: Resolved, train: _Sample | None) -> Tokenizer | None:
    """Fit the tokenizer to the beginning of the training split; None: it has errors."""
    if not resolved.tokenizer:
        return None
    fitted = None
    with result.collecting(resolved, "tokenizer"):
        tokenizer = new_tokenizer(resolved.tokenizer)
        if train is None:
            return None
        with resolved.tokenizer.attributed(), locating_errors(resolved):
            tokenizer.fit(train.documents)
        fitted = tokenizer
    return fitted  # noqa: RET504 # an error that is collected leaves the block early


def _unknown(resolved: Resolved) -> Vocabulary:
    """A vocabulary before there is any text: what the tokenizer reserves is known."""
    reserved: Mapping[str, int] = {}
    with suppress(SeqlabError, AttributeError):  # it is None where it has complaints
        reserved = offered(new_tokenizer(resolved.tokenizer), "reserved") or {}
    return Vocabulary.unknown(max(DEFAULT_VOCABULARY, len(reserved)), reserved)


def _vocabulary(tokenizer: Tokenizer, train: _Sample | None) -> Vocabulary:
    def count() -> NDArray[np.int64]:
        parts = encode(iter(train.documents if train else ()), tokenizer)
        ids = np.concatenate([np.empty(0, np.int64), *(part.ids for part in parts)])
        return np.bincount(ids.astype(np.int64), minlength=tokenizer.size)

    return Vocabulary.of(tokenizer, count)


def _check_samples(
    result: DryRun, resolved: Resolved, samples: dict[str, _Sample], tokenizer: Tokenizer | None
) -> int | None:
    """Encode and sample the splits that were read whole; return the steps of a run, if known."""
    steps = resolved.train.steps
    for split, sample in samples.items():
        if tokenizer is None or not sample.whole or resolved.corpus_keys.holdout is not None:
            continue
        with result.collecting(resolved, "corpus"), locating_errors(resolved):
            tokens = _tokens(sample, tokenizer, split)
            if split == TRAIN and resolved.sampler:
                sampler = resolved.sampler.build(tokens, resolved.train.seed)
                steps = count_steps(resolved, sampler)
                if len(sampler):
                    with resolved.sampler.attributed():
                        sampler.batch(0, 0)
            elif resolved.evaluation and split == resolved.evaluation.split:
                check_scorable(tokens, split, fresh=resolved.fresh_documents)
    return steps


def _tokens(sample: _Sample, tokenizer: Tokenizer, split: str) -> Tokens:
    try:
        parts = list(encode(iter(sample.documents), tokenizer))
    except CorpusError as error:
        raise CorpusError(f"split '{split}': {error}") from None
    ids = np.concatenate([np.empty(0, np.int64), *(part.ids for part in parts)])
    lengths = [0, *(len(part.ids) for part in parts)]
    starts = [start for start, part in zip(accumulate(lengths), parts, strict=False) if part.begins]
    if not len(ids):
        raise CorpusError(f"split '{split}': is empty: it has no token")
    return Tokens(ids, np.array(starts, dtype=np.int64))
