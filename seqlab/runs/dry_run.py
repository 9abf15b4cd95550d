"""An experiment in -> everything that its parts refuse, at once, before anything is spent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from torch import nn
from torch.optim import Optimizer

from seqlab.contracts import Document, Ids, Tokenizer
from seqlab.data.splits import TRAIN, Source, locating_errors, open_source, option_at_fault
from seqlab.data.text import text_pieces
from seqlab.data.tokens import Tokens, encode
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
from seqlab.registry import Registry, Resolved, resolve_partially
from seqlab.runs.building import count_steps, outline
from seqlab.runs.observers import Observers
from seqlab.training.eager_optimizers import spare_compiler
from seqlab.training.evaluation import check_scorable

MOST = 1 << 20  # characters (ids) of each split that are read
MADE_UP = 64  # tokens, where the vocabulary is not known


@dataclass
class Rehearsed:
    """What there is to say: lines of complaints by the exit code that they mean, and notices."""

    lines: dict[int, list[str]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    errors: list[SeqlabError] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """A plugin's fault before the experiment's, and both before a corpus that is not here."""
        codes = (PluginError, ExperimentError, CorpusError, RunFailed)
        return next((c.exit_code for c in codes if c.exit_code in self.lines), 0)

    def all_lines(self) -> list[str]:
        """Every complaint once, in the order of the exit codes."""
        return list(dict.fromkeys(line for code in sorted(self.lines) for line in self.lines[code]))

    @contextmanager
    def collecting(self, resolved: Resolved, section: str) -> Iterator[None]:
        """Take in what a part refuses; a complaint without a place is about a section."""
        try:
            yield
        except ExperimentError as error:
            self.errors.append(error)
            for one in error.complaints:
                placed = one if one.where else resolved.complaint(one.message, section)
                self._add(error.exit_code, str(placed))
        except SeqlabError as error:
            self.errors.append(error)
            for line in error.lines:
                self._add(error.exit_code, line)

    def _add(self, code: int, line: str) -> None:
        self.lines.setdefault(code, []).append(line)


@dataclass
class _Read:
    """What was read of a split; `whole` if that is all of it."""

    documents: list[Document]
    whole: bool


def validate(experiment: Experiment, registry: Registry) -> Rehearsed:
    """Say everything that is wrong with an experiment: what it says, and what its parts refuse."""
    resolved, binder = resolve_partially(experiment, registry)
    found = rehearse(resolved)
    code = PluginError.exit_code if binder.plugin_at_fault else ExperimentError.exit_code
    if binder.complaints:
        found.lines[code] = [*map(str, binder.complaints), *found.lines.get(code, [])]
    found.notices[:0] = binder.notices
    return found


def rehearse(resolved: Resolved) -> Rehearsed:
    """Build every part with a made-up vocabulary, and read the beginning of every split.

    Nothing is trained, no tokens are kept, and a model takes no room. What could not be bound is
    passed over.
    """
    found = Rehearsed()
    train, model = resolved.train or Train(steps=1), resolved.model or Model()
    resolved = replace(resolved, train=train, model=model)
    splits: dict[str, _Read] = {}
    if source := _opened(found, resolved):
        for split in source.corpus.splits:
            with found.collecting(resolved, "corpus"), locating_errors(resolved):
                splits[split] = _beginning(source, split)
        _check_evaluation(found, resolved, source)
    tokenizer = _fitted(found, resolved, splits.get(TRAIN))
    steps = _check_splits(found, resolved, splits, tokenizer)
    rehearse_parts(found, resolved, tokenizer.size if tokenizer else MADE_UP, steps)
    if tokenizer and splits[TRAIN].whole and resolved.samples:
        for prefix in resolved.samples.prefixes:
            try:
                encode_prefix(tokenizer, prefix)
            except UsageError as error:
                found.notices.append(f"samples: {error}; it will be skipped")
    return found


def expect_parts(resolved: Resolved) -> None:
    """See to it, before anything is read, that no part refuses its options.

    Raises:
        ExperimentError: with all complaints at once, those of a corpus too.
        SeqlabError: the only one that there is.
    """
    found = Rehearsed()
    with found.collecting(resolved, "tokenizer"):
        resolved.tokenizer.build()
    rehearse_parts(found, resolved, MADE_UP, resolved.train.steps)
    if not found.lines:
        return
    with found.collecting(resolved, "corpus"):
        open_source(resolved, fingerprint=False)
    if len(found.errors) == 1 and not isinstance(found.errors[0], ExperimentError):
        raise found.errors[0]
    complaints = [Complaint("", "", line) for line in found.all_lines()]
    at_fault = found.exit_code == PluginError.exit_code
    raise ExperimentError(complaints, plugin_at_fault=at_fault)


def rehearse_parts(
    found: Rehearsed, resolved: Resolved, vocabulary: int, steps: int | None
) -> None:
    """Build what needs no text: model, optimizer, schedule, decoder, observers."""
    model: nn.Module | None = None
    with found.collecting(resolved, "model"):
        model = outline(resolved, vocabulary) if resolved.cell else None
    spare_compiler()
    optimizer: Optimizer | None = None
    with found.collecting(resolved, "optimizer"):
        named = list((model or nn.Linear(2, 2)).named_parameters())
        optimizer = resolved.optimizer.build(named) if resolved.optimizer else None
    if isinstance(optimizer, Optimizer) and steps and resolved.schedule:
        with found.collecting(resolved, "schedule"):
            resolved.schedule.build(optimizer, steps)
    with found.collecting(resolved, "decoder"):
        if resolved.decoder:
            resolved.decoder.build()
    with found.collecting(resolved, "observers"):
        Observers(resolved.observers)


def _opened(found: Rehearsed, resolved: Resolved) -> Source | None:
    """The corpus; None: it cannot be used, or is yet to be downloaded, which is no mistake."""
    if not resolved.corpus:
        return None
    opened: Source | None = None
    with found.collecting(resolved, "corpus"):
        try:
            opened = open_source(resolved, fingerprint=False)
        except CorpusUnavailable as error:
            if option_at_fault(resolved, str(error)):
                raise
            found.notices.append(f"its corpus is not here yet, so it was not looked at: {error}")
    return opened


def _beginning(source: Source, split: str) -> _Read:
    """Read a split until enough has come."""
    taken: list[Document] = []
    left = MOST
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
        taken.append(cut)
        if left <= 0:
            return _Read(taken, whole=False)
    return _Read(taken, whole=True)


def _check_evaluation(found: Rehearsed, resolved: Resolved, source: Source) -> None:
    if resolved.evaluation is None:
        return
    try:
        source.check(resolved.evaluation.split)
    except CorpusError as error:
        message = resolved.complaint(str(error), "evaluation", "split")
        with found.collecting(resolved, "evaluation"):
            raise CorpusError(str(message)) from None


def _fitted(found: Rehearsed, resolved: Resolved, read: _Read | None) -> Tokenizer | None:
    """A tokenizer with the vocabulary of what was read; None: there is none."""
    if not resolved.tokenizer:
        return None
    fitted: Tokenizer | None = None
    with found.collecting(resolved, "tokenizer"):
        tokenizer: Tokenizer = resolved.tokenizer.build()
        if read is None:
            return None
        with resolved.tokenizer.blamed(), locating_errors(resolved):
            tokenizer.fit(read.documents)
        fitted = tokenizer
    return fitted  # noqa: RET504 # what is collected ends the block early


def _check_splits(
    found: Rehearsed, resolved: Resolved, splits: dict[str, _Read], tokenizer: Tokenizer | None
) -> int | None:
    """Cut what was read whole as a run would; return its steps, if they can be told."""
    steps = resolved.train.steps
    for split, read in splits.items():
        if tokenizer is None or not read.whole or resolved.corpus_keys.holdout is not None:
            continue
        with found.collecting(resolved, "corpus"), locating_errors(resolved):
            tokens = _tokens(read, tokenizer, split)
            if split == TRAIN and resolved.sampler:
                sampler = resolved.sampler.build(tokens, resolved.train.seed)
                steps = count_steps(resolved, sampler)
                if len(sampler):
                    with resolved.sampler.blamed():
                        sampler.batch(0, 0)
            elif resolved.evaluation and split == resolved.evaluation.split:
                check_scorable(tokens, split, fresh=resolved.fresh_documents)
    return steps


def _tokens(read: _Read, tokenizer: Tokenizer, split: str) -> Tokens:
    try:
        parts = list(encode(iter(read.documents), tokenizer))
    except CorpusError as error:
        raise CorpusError(f"split '{split}': {error}") from None
    ids = np.concatenate([np.empty(0, np.int64), *(part.ids for part in parts)])
    begins, place = [], 0
    for part in parts:
        begins += [place] if part.begins else []
        place += len(part.ids)
    if not len(ids):
        raise CorpusError(f"split '{split}': is empty: it has no token")
    return Tokens(ids, np.array(begins, dtype=np.int64))
