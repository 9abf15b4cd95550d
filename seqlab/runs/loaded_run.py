"""A finished or running run: its model, and what the model can do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from seqlab.arguments import expect_decoder_overrides, named_path, texts
from seqlab.contracts import Decoder, SearchDecoder, Tokenizer
from seqlab.data.decoding import DecodingTokenizer
from seqlab.data.progress import Progress, log_progress
from seqlab.experiment.overrides import Overrides, as_overrides
from seqlab.generation.generating import Generated, generate
from seqlab.generation.scoring import Scored, score
from seqlab.generation.stops import stop_tokens_of
from seqlab.generation.streaming import stream, stream_all
from seqlab.interrupts import forbidding_exit
from seqlab.model.language_model import LanguageModel
from seqlab.registry import Bound, Registry, Resolved, load_plugins
from seqlab.registry.given import Given
from seqlab.runs.building import build_model, check_weights, load_weights
from seqlab.runs.decoder_choice import decoder_options, decoder_overrides
from seqlab.runs.evaluating import evaluate
from seqlab.runs.folder import ROOT, RunFolder
from seqlab.runs.lookup import find_run
from seqlab.runs.run_experiment import RunExperiment
from seqlab.runs.saved_parts import Which, load_chosen, restored_tokenizer
from seqlab.training.checkpoint import Checkpoint, checkpoint_path
from seqlab.training.device import pick_device
from seqlab.vocabulary import Vocabulary

if TYPE_CHECKING:
    from seqlab.runs.exporting import Exported

log = logging.getLogger(__name__)
Texts: TypeAlias = list[str] | tuple[str, ...]


def open_run(
    run: str | Path,
    *,
    checkpoint: Which = "latest",
    root: str | Path = ROOT,
    plugins: Sequence[Given] = (),
    registry: Registry | None = None,
) -> Run:
    """Open a run: a folder, a name (its latest run), a tag, the beginning of an id, or `latest`.

    Args:
        run: which one.
        checkpoint: of the model: a step, `latest`, or `best` on the evaluated split.
        root: the folder of all runs.
        plugins: components without a file: classes, whose kind their methods show, and mappings
            such as {"cells": {"mine": factory}}.
        registry: all plugins; None: those that are installed or in `plugins/`, and `plugins`.

    Raises:
        UsageError: there is no such run.
    """
    folder = find_run(run, named_path(root, "root"))
    folder.check_kinds()
    folder.description()
    if plugins and registry is None:
        registry = load_plugins(given=plugins)
    return Run(folder, registry, checkpoint)


class Run(RunExperiment):
    """The run folder of an experiment, and its model."""

    def __init__(
        self, folder: RunFolder, registry: Registry | None = None, checkpoint: Which = "latest"
    ) -> None:
        super().__init__(folder, registry)
        self._checkpoint = checkpoint

    def resume(self, **settings: Any) -> Run:
        """Go on with the run: what `seqlab resume` does.

        Arguments and errors are those of `seqlab.resume`, such as
        `overrides={"train.epochs": 500}`; the plugins are those that the run was opened with.

        Returns:
            The run, opened anew.
        """
        from seqlab.runs.resuming import resume

        if self._registry is not None and "plugins" not in settings:
            settings.setdefault("registry", self._registry)
        return resume(self.path, **settings)

    @forbidding_exit()
    def generate(
        self,
        prefix: str | Sequence[str],
        *,
        length: int = 50,
        seed: int = 0,
        num: int = 1,
        stop: Sequence[str] = (),
        stop_tokens: Sequence[int] | None = None,
        healing: bool = True,
        allow_unknown: bool = False,
        overrides: Overrides = (),
        **options: Any,
    ) -> list[Generated]:
        """Continue one prefix or several.

        Args:
            prefix: the text to continue, or several; an empty one begins after the end of a
                document.
            length: the most tokens of a continuation.
            seed: of the random numbers of the decoder.
            num: the number of continuations of each prefix: drawn one by one, or the best of a
                search.
            stop: texts that end a continuation, and are left out of it.
            stop_tokens: token ids that end one; None: that of the end of a document, if any.
            healing: take back last tokens of a prefix that longer tokens begin with.
            allow_unknown: let tokens come that no text has: unknown text, and reserved ids.
            overrides: of the decoder: {"decoder.temperature": 0.8}, or a list of `KEY=VALUE`.
            options: of the decoder, such as `temperature=0.7` or `top_p=0.9`; one that has them
                takes the place of one that has not. `decoder="beam"` names it; `greedy=True`.

        Returns:
            `num` results for each prefix, in the order of the prefixes.

        Raises:
            UsageError: a prefix is empty or cannot be encoded, or a limit is not possible.
            ExperimentError: an override is not one of the decoder, or not valid.
            CheckpointError: there is no checkpoint, or it is damaged.
        """
        return generate(
            self.model,
            self.tokenizer,
            self.decoder_with(overrides, **options),
            texts(prefix, "prefix"),
            length=length,
            seed=seed,
            num=num,
            stop=stop,
            stop_tokens=stop_tokens_of(self.tokenizer, stop_tokens),
            healing=healing,
            allow_unknown=allow_unknown,
        )

    @overload
    def stream(self, prefix: str, **settings: Any) -> Iterator[str]: ...
    @overload
    def stream(self, prefix: Texts, **settings: Any) -> Iterator[tuple[int, str]]: ...
    def stream(self, prefix: str | Texts, **settings: Any) -> Iterator[Any]:
        """Continue one prefix, and yield the text as it is generated, in whole characters.

        Arguments and errors are those of `generate`. For one prefix there is `repeat` (from 0) in
        place of `num`: the index among them. Several are continued together, as (index, piece);
        the index counts the results of `generate`. The pieces joined are their `continuation`; of
        several, each ends with an empty piece.
        """
        overrides = settings.pop("overrides", ())
        settings, options = decoder_options({"length": 50, "stop_tokens": None, **settings})
        decoder = self.decoder_with(overrides, **options)
        settings["stop_tokens"] = stop_tokens_of(self.tokenizer, settings["stop_tokens"])
        if isinstance(prefix, str):
            return stream(self.model, self.tokenizer, decoder, prefix, **settings)
        return stream_all(self.model, self.tokenizer, decoder, prefix, **settings)

    @forbidding_exit()
    def score(self, text: str) -> Scored:
        """Return the surprisal of each token of a text, and its perplexity.

        Raises:
            UsageError: the text has fewer than two tokens, or cannot be encoded.
        """
        return score(self.model, self.tokenizer, text)

    def export(self, to: str, out: str | Path | None = None, **options: Any) -> Exported:
        """Write the model in another form: what `seqlab export` does.

        Args:
            to: the name of an exporter, such as `folder` or `onnx`.
            out: the folder that is made; None: named by the run and the exporter.
            options: of the exporter.

        Raises:
            ExperimentError: there is no such exporter, or it does not have or accept an option.
            UsageError: the folder exists already, or the model has no such form.
            RunFailed: it cannot be written or sent.
        """
        from seqlab.runs.exporting import export, find_exporter

        return export(self, find_exporter(to, as_overrides(options), self._plugins), out)

    def decoder_with(
        self, overrides: Overrides = (), word: Callable[[str], str] = str, /, **options: Any
    ) -> Decoder | SearchDecoder:
        """Return the decoder of the experiment with overrides and options, as `generate` has.

        `word` says how an option is written where the user wrote it.
        """
        if not overrides and not options:
            return self.decoder
        resolved = self.resolved_with(overrides, word, **options)
        for notice in resolved.notices:
            log.warning(notice)
        decoder: Decoder | SearchDecoder = resolved.decoder.build(tokenizer=self.tokenizer)
        return decoder

    def resolved_with(
        self, overrides: Overrides, word: Callable[[str], str] = str, /, **options: Any
    ) -> Resolved:
        """Return the experiment with the decoder that `decoder_with` builds."""
        overrides = as_overrides(overrides)
        expect_decoder_overrides(overrides)
        resolve, registry = (lambda given: self._resolve(given).decoder), self._plugins
        return self._resolve(decoder_overrides(options, overrides, resolve, registry, word))

    @cached_property
    def model(self) -> LanguageModel:
        """The model with the weights of the checkpoint: `run.model(ids)` gives logits."""
        vocabulary, weights = self._vocabulary, self.checkpoint.weights
        check_weights(self.resolved, vocabulary, weights, str(self.path))
        device = pick_device(self.resolved.train.device)
        model = build_model(self.resolved, vocabulary, device)
        load_weights(model, weights, str(self.path))
        return model.eval()

    @property
    def _vocabulary(self) -> Vocabulary:
        counts = self.checkpoint.state.get("counts")
        return Vocabulary.of(self.tokenizer, None if counts is None else counts.numpy)

    @cached_property
    def tokenizer(self) -> DecodingTokenizer:
        """The tokenizer with the trained vocabulary: `encode(text)` and `decode(ids)`."""
        return DecodingTokenizer(self.tokenizer_as(self.resolved.tokenizer))

    def tokenizer_as(self, bound: Bound) -> Tokenizer:
        """Return a tokenizer of another experiment with the trained vocabulary."""
        path = checkpoint_path(self.folder.checkpoints, self.checkpoint.step)
        return restored_tokenizer(bound, self.checkpoint, self.description["vocabulary"], path)

    @cached_property
    def decoder(self) -> Decoder | SearchDecoder:
        """The decoder of the experiment."""
        decoder: Decoder | SearchDecoder = self.resolved.decoder.build(tokenizer=self.tokenizer)
        return decoder

    @forbidding_exit()
    def evaluate(
        self,
        split: str | None = None,
        *,
        corpus: str | Mapping[str, Any] | None = None,
        rows: int | None = None,
        batch_size: int | None = None,
        window: int = 128,
        documents: Literal["fresh", "carried"] | None = None,
        baseline: str | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Score a split: what `seqlab eval` does.

        Args:
            split: its name; None: `valid`, or `train` of another corpus.
            corpus: another one, which is read with the run's vocabulary; a name, or a mapping such
                as {"name": "text", "path": "other.txt"}.
            rows: the number of streams that it is cut into; None: as in the experiment.
            batch_size: the number of streams that are scored at once; changes no number.
            window: the tokens of each stream that are read at once; changes no number.
            documents: whether each starts with a fresh state; None: as in the experiment.
            baseline: a method to compare with, in place of those of the experiment.
            progress: reports how much of the corpus is read; None: to the log.

        Raises:
            UsageError: `rows`, `batch_size` or `window` is below 1, or `documents` is not valid.
            ExperimentError: another corpus is not valid.
            CorpusError: the corpus has changed, is unavailable, or has no such split; something in
                another one has no id.
        """
        return evaluate(
            self,
            split,
            other=None if corpus is None else self.resolved_with_corpus(corpus),
            rows=rows,
            batch_size=batch_size,
            window=window,
            documents=documents,
            baseline=None if baseline is None else self.methods_named(baseline),
            progress=progress or log_progress(),
        )

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that the run was opened with."""
        return load_chosen(self.folder, self._checkpoint)
