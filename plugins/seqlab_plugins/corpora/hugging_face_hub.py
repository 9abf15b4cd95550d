"""Datasets of Hugging Face: opened from a folder, or downloaded from the hub at a commit."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from seqlab import CorpusError, CorpusUnavailable
from seqlab.offline import why_offline
from seqlab.urls import without_secrets

log = logging.getLogger("seqlab.hugging_face")

_LOGIN = "a login is that of the machine: HF_TOKEN, or `hf auth login`"


def saved(path: Path) -> Mapping[str, Any]:
    """The splits of a dataset that `save_to_disk` wrote; one without splits is `train`.

    Raises:
        CorpusUnavailable: there is no such folder.
        CorpusError: it has no saved dataset, or one that is damaged.
        ValueError: the package is missing.
    """
    datasets = _package()
    if not path.exists():
        raise CorpusUnavailable(f"{path}: there is no such folder")
    try:
        opened = datasets.load_from_disk(str(path))
    except FileNotFoundError:
        message = "has no dataset that `save_to_disk` wrote, or not all of it"
        raise CorpusError(f"{path}: {message}") from None
    except Exception as error:  # of Arrow, of JSON, or of the library
        raise CorpusError(f"{path}: cannot be read as a saved dataset ({_told(error)})") from None
    return _by_split(datasets, opened)


def downloaded(dataset: str, revision: str, config: str | None) -> Mapping[str, Any]:
    """The splits of a dataset of the hub at a commit, from the library's own cache if it is there.

    Raises:
        CorpusUnavailable: there is none, it needs a login, or it cannot be reached.
        CorpusError: it cannot be read.
        ValueError: the package is missing.
    """
    datasets = _package()
    where = f"{dataset} at {revision[:7]}"
    offline = why_offline() or _hub_offline()
    if not offline:
        log.info("Opening %s of the hub of Hugging Face", where)
    with _quiet(datasets), _hub(datasets, offline=bool(offline)):
        try:
            opened = datasets.load_dataset(f"hf://datasets/{dataset}", config, revision=revision)
        except Exception as error:
            raise _refusal(datasets, error, where, offline) from None
    splits = _by_split(datasets, opened)
    if not all(_is_of(part, revision) for part in splits.values()):
        why = offline or "this one is not on the hub, or the hub cannot be reached"
        raise CorpusUnavailable(f"{where}: only another revision is in the cache, and {why}")
    return splits


def _refusal(datasets: ModuleType, error: Exception, where: str, offline: str) -> CorpusError:
    told = _told(error)
    if offline:
        return CorpusUnavailable(f"{where}: is not in the cache, and {offline}")
    if isinstance(error, datasets.exceptions.DatasetNotFoundError):
        return CorpusUnavailable(f"{where}: is not on the hub, or not for you ({told}); {_LOGIN}")
    if isinstance(error, OSError | EOFError):  # those of the network are some
        return CorpusUnavailable(f"{where}: cannot be downloaded ({told})")
    if isinstance(error, ValueError) and "config" in told.lower():
        return CorpusError(f"{where}: {told} (`config: NAME`)")
    return CorpusError(f"{where}: cannot be read ({told})")


def _is_of(part: Any, revision: str) -> bool:
    """Whether a split was made from this revision, by where the library keeps it.

    Without a network it takes the newest one that it has.
    """
    return all(revision in Path(file["filename"]).parts for file in part.cache_files)


def _by_split(datasets: ModuleType, opened: Any) -> Mapping[str, Any]:
    by_split = opened if isinstance(opened, datasets.DatasetDict) else {"train": opened}
    return {str(name): part.with_format(None) for name, part in by_split.items()}


def _package() -> ModuleType:
    try:
        import datasets
    except ImportError:
        raise ValueError(
            "corpus 'hugging_face' needs a package: pip install 'seqlab[hugging_face]'"
        ) from None
    package: ModuleType = datasets
    return package


def _told(error: Exception) -> str:
    text = without_secrets(" ".join(str(error).split()))
    return text or type(error).__name__


def _hub_offline() -> str:
    from huggingface_hub import constants

    return "HF_HUB_OFFLINE is set, so nothing is downloaded" if constants.HF_HUB_OFFLINE else ""


@contextmanager
def _hub(datasets: ModuleType, *, offline: bool) -> Iterator[None]:
    """Let the libraries ask the hub, or not; they read the environment once, when imported."""
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if offline:
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


@contextmanager
def _quiet(datasets: ModuleType) -> Iterator[None]:
    """Without the library's bars and warnings."""
    bars = datasets.is_progress_bar_enabled()
    level = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()
