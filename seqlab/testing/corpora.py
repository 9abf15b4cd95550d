"""What a corpus promises. Its content: the documents of every split, and where each ends."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import to_jsonable_python

from seqlab.contracts import Ids, offered
from seqlab.data.splits import TRAIN
from seqlab.errors import CorpusError, CorpusUnavailable, SeqlabError, UsageError
from seqlab.testing.copied_files import change_files, change_letter, copied_files, files_of
from seqlab.testing.corpus_digest import Content, Digest, content, content_bytes, document_bytes
from seqlab.testing.corpus_variants import variants
from seqlab.testing.other_process import fingerprint_and_digest, run_elsewhere
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone

LARGE = 8 << 20  # bytes of content
MAX_VARIANTS = 4  # of a large corpus


def _build(subject: Subject) -> Any:
    """Build a corpus; a check does not apply where the corpus is not available."""
    try:
        subject.build().fingerprint()
        return subject.build()
    except CorpusUnavailable as error:
        raise NotApplicable(str(error)) from error


def splits_are_names_with_train(subject: Subject) -> None:
    """`splits` is a sequence of different names, and `train` is one of them."""
    splits = _build(subject).splits
    listed = isinstance(splits, Sequence) and not isinstance(splits, str)
    expect(listed, "`splits` to be a sequence of names, not a text", repr(splits))
    expect(all(isinstance(name, str) and name for name in splits), "names", splits)
    expect(len(set(splits)) == len(splits), "each name once", splits)
    expect(TRAIN in splits, f"a split '{TRAIN}'", splits)
    again = subject.build().splits
    expect(list(again) == list(splits), "the same splits in another instance", again)


def documents_are_text_or_ids(subject: Subject) -> None:
    """Each document is a text, pieces of one, or `Ids` with weights that fit; all are of a kind."""
    corpus, kinds = _build(subject), set()
    for split in corpus.splits:
        documents = corpus.documents(split)
        single = isinstance(documents, str | Ids)
        expect(not single, "documents() to yield documents", f"one {type(documents).__name__}")
        for number, document in enumerate(documents, 1):
            kinds.add(_kind(document, f"document {number} of split '{split}'"))
    expect(len(kinds) <= 1, "text in all documents, or ids in all", "both")


def _kind(document: Any, where: str) -> str:
    if isinstance(document, Ids):
        _check_ids(document.ids, where)
        if document.weights is not None:
            _check_weights(document.weights, len(document.ids), where)
        return "ids"
    name = type(document).__name__
    expect(isinstance(document, Iterable), "a str, pieces of one, or `Ids`", f"{where}: {name}")
    for piece in document if not isinstance(document, str) else ():
        seen = f"{where}: {type(piece).__name__} in a {name}"
        expect(isinstance(piece, str), "a document's pieces to be str", seen)
    return "text"


def _check_ids(ids: Any, where: str) -> None:
    array = isinstance(ids, np.ndarray) and ids.ndim == 1
    seen = f"{where}: {ids.dtype} {ids.shape}" if hasattr(ids, "dtype") else type(ids).__name__
    expect(array and np.issubdtype(ids.dtype, np.integer), "ids (1-D) of integers", seen)
    expect(not (ids < 0).any(), "no id below 0", f"{where}: {ids.min(initial=0)}")


def _check_weights(weights: Any, length: int, where: str) -> None:
    array = np.asarray(weights, dtype=np.float64)
    seen = f"{where}: {array.shape}"
    expect(array.shape == (length,), f"a weight for each of the {length} ids", seen)
    fit = np.isfinite(array) & (array >= 0)
    expect(bool(fit.all()), "finite weights, none below 0", f"{where}: {array[~fit][:3]}")


def no_split_is_empty(subject: Subject) -> None:
    """Every split has a character or a token id."""
    corpus = _build(subject)
    for split in corpus.splits:
        has_any = any(any(document_bytes(document)) for document in corpus.documents(split))
        expect(has_any, "something to read in every split", f"nothing in '{split}'")


def documents_can_be_read_again(subject: Subject) -> None:
    """Every pass gives the same: the next one, two at a time, and one of another instance."""
    corpus, other = _build(subject), _build(subject)
    for split in corpus.splits:
        next(iter(corpus.documents(split)), None)  # a pass may be begun and left
    expected = content(corpus)
    expect(content(corpus) == expected, "a second pass to give the same", "something else")
    first, second = Digest(), Digest()
    for part, other_part in zip_longest(
        content_bytes(corpus), content_bytes(corpus), fillvalue=b""
    ):
        first.add(part)
        second.add(other_part)
    both = first.content() == second.content() == expected
    expect(both, "two passes at the same time to give the same", "something else")
    expect(content(other) == expected, "another instance to give the same", "something else")


def fingerprint_is_one_text(subject: Subject) -> None:
    """The fingerprint is a text, the same before and after reading, and in another instance."""
    corpus = _build(subject)
    first = corpus.fingerprint()
    expect(isinstance(first, str) and bool(first), "a text that is not empty", repr(first))
    content(corpus)
    after, other = corpus.fingerprint(), subject.build().fingerprint()
    expect(after == first, "the same fingerprint after reading", f"{first}, then {after}")
    expect(other == first, "the same fingerprint of another instance", f"{first}, and {other}")


def fingerprint_follows_the_content(subject: Subject) -> None:
    """Fingerprints are equal if, and only if, the content is, for any files and options."""
    _build(subject)
    by_content: dict[Content, tuple[str, str]] = {}
    by_fingerprint: dict[str, tuple[str, Content]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for variant, content, fingerprint in _variants(subject, Path(folder)):
            before, known = by_content.setdefault(content, (variant, fingerprint))
            seen = f"one {before} and another {variant}"
            expect(known == fingerprint, "one fingerprint for the same content", seen)
            before, same = by_fingerprint.setdefault(fingerprint, (variant, content))
            seen = f"the same one {before} and {variant}"
            expect(same == content, "another fingerprint for other content", seen)
    if len(by_content) == 1:
        raise NotApplicable("neither a file nor an option that was tried makes other content")


def _variants(subject: Subject, folder: Path) -> Iterator[tuple[str, Content, str]]:
    """Content and fingerprint of the corpus, and of each variant that can be read."""
    corpus = subject.build()
    whole = content(corpus)
    yield "as it is", whole, corpus.fingerprint()
    limit = MAX_VARIANTS if whole.size > LARGE else None
    for variant, options in islice(variants(subject, folder), limit):
        try:
            corpus = subject.with_options({**subject.options, **options}).build()
            yield variant, content(corpus), corpus.fingerprint()
        except (SeqlabError, ValueError):  # not every value goes with every other
            continue


def missing_file_is_said(subject: Subject) -> None:
    """A missing file raises a CorpusError (`CorpusUnavailable`), in fingerprint() at the latest.

    So `if_unavailable` can step in: the core asks for the fingerprint before it reads.
    """
    options = subject.signature.options.values()
    names = [o.name for o in options if o.names_files]
    if not names:
        raise NotApplicable("no option is a file")
    with tempfile.TemporaryDirectory() as folder:
        missing = Path(folder, "there-is-no-such-file.txt")
        for name in names:
            refused = _refuses(subject, name, missing)
            expect(refused, "a CorpusError at the fingerprint", f"none with {name}: {missing.name}")


def _refuses(subject: Subject, name: str, missing: Path) -> bool:
    """Whether the factory or the fingerprint refuses a file, or the content does not need it."""
    changed = _with_path(subject, name, missing)
    if changed is None:
        return True
    try:
        corpus = changed.build()
    except (CorpusError, ValueError):
        return True
    try:
        corpus.fingerprint()
    except CorpusError:
        return True
    try:
        return content(corpus) == content(subject.build())
    except SeqlabError:
        return False


def _with_path(subject: Subject, name: str, path: Path) -> Subject | None:
    for value in (path, [path]):
        try:
            return subject.with_options({**subject.options, name: value})
        except UsageError:  # its type takes no such value
            continue
    return None


def files_are_all_that_is_read(subject: Subject) -> None:
    """`files`, which a corpus may have, are the paths of all files that its content comes from."""
    corpus = _build(subject)
    if offered(corpus, "files") is None:
        raise NotApplicable("it does not say which files it reads")
    files = list(corpus.files)
    expect(all(isinstance(file, Path) for file in files), "paths", files[:3])
    expect(all(file.is_file() for file in files), "files that are there", files[:3])
    expect(len(set(files)) == len(files), "each file once", files[:3])
    expect(files == list(subject.build().files), "the same of another instance", "others")
    values = [v if isinstance(v, list) else [v] for v in subject.options.values()]
    named = {path for paths in values for path in paths if isinstance(path, Path)}
    lost = sorted(path for path in named - set(files) if path.is_file())
    expect(not lost, "every file that an option names to be among `files`", lost)
    with tempfile.TemporaryDirectory() as folder:
        _expect_no_other_file(subject, Path(folder))


def _expect_no_other_file(subject: Subject, folder: Path) -> None:
    """Change the files of folders that options name, where they are not among `files`."""
    copied = copied_files(subject, folder)
    changed = subject.with_options({**subject.options, **copied})
    folders = [path for path in copied.values() if isinstance(path, Path) and path.is_dir()]
    if not folders:
        return
    corpus = changed.build()
    before, listed = content(corpus), {file.resolve() for file in corpus.files}
    others = [file for file in files_of(folders) if file.resolve() not in listed]
    for file in others:
        change_letter(file, last=False)
    try:
        same = content(changed.build()) == before
    except (SeqlabError, ValueError):
        same = False
    names = [str(file.relative_to(folders[0])) for file in others[:3]]
    expect(same, "every file that the content comes from to be among `files`", names)


def changed_file_is_seen(subject: Subject) -> None:
    """A file that has changed is read anew: another instance gives what another process gives."""
    _build(subject)
    with tempfile.TemporaryDirectory() as folder:
        copied = copied_files(subject, Path(folder))
        if not copied:
            raise NotApplicable("no option is a file")
        changed = subject.with_options({**subject.options, **copied})
        content(changed.build())
        change_files(copied)
        try:
            here = fingerprint_and_digest(changed.build())
        except (SeqlabError, ValueError) as error:
            raise NotApplicable(f"it does not take a changed file: {error}") from None
        options = to_jsonable_python(dict(changed.options))
        elsewhere = run_elsewhere("read", subject.factory, options=options)
    for name, value in here.items():
        promise = f"the {name} of a file as it is now, as in another process"
        expect(elsewhere[name] == value, promise, "what the file was before")


def same_in_every_process(subject: Subject) -> None:
    """Fingerprint and documents are the same in every process, for any hash seed of Python."""
    corpus = _build(subject)
    options = to_jsonable_python(dict(subject.options))
    elsewhere = run_elsewhere("read", subject.factory, options=options)
    for name, value in fingerprint_and_digest(corpus).items():
        expect(elsewhere[name] == value, f"the same {name} in another process", "something else")


def reading_leaves_chance_alone(subject: Subject) -> None:
    """Building, reading and the fingerprint neither seed global generators nor draw from them."""
    _build(subject)
    with random_states_left_alone():
        corpus = subject.build()
        content(corpus)
        corpus.fingerprint()
