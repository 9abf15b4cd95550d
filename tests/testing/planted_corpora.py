"""Corpora that keep every promise, and the mistakes that authors make with one."""

from __future__ import annotations

import hashlib
import io
import random
import uuid
from pathlib import Path

import numpy as np

from seqlab import CorpusError, CorpusUnavailable, Ids


def sha256(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def shuffled(text, generator):
    return "".join(generator.sample(text, len(text)))


class Shelf:
    """Text files, one document each; the last line of each is for validation.

    Args:
        path: Required: a file or a list of files.
        capitals: make all letters capitals.
    """

    splits = ("train", "valid")

    def __init__(self, *, path: Path | list[Path], capitals: bool = False) -> None:
        self.paths = path if isinstance(path, list) else [path]
        self.capitals = capitals

    @property
    def files(self):
        return list(self.paths)

    def lines(self, path):
        if not path.is_file():
            raise CorpusUnavailable(f"{path}: is not there")
        text = path.read_text("utf-8")
        return (text.upper() if self.capitals else text).splitlines(keepends=True)

    def documents(self, split):
        for path in self.paths:
            yield self.lines(path)[-1:] if split == "valid" else self.lines(path)[:-1]

    def fingerprint(self):
        return sha256(*(list(self.documents(split)) for split in sorted(self.splits)))


class Numbers:
    """Token ids that are drawn from a seed; the first of each document does not count.

    Args:
        count: documents.
        length: ids in each of them.
        seed: of the numbers.
    """

    splits = ("train",)

    def __init__(self, *, count: int = 3, length: int = 5, seed: int = 0) -> None:
        if min(count, length, seed + 1) < 1:
            raise ValueError("too few")
        self.count, self.length, self.seed = count, length, seed

    def documents(self, split):
        generator = np.random.default_rng(self.seed)
        for _ in range(self.count):
            ids = generator.integers(0, 9, self.length)
            yield Ids(ids, (np.arange(self.length) > 0).astype(np.float32))

    def fingerprint(self):
        return sha256(list(self.documents("train")))


class OneNameIsText(Shelf):
    splits = "train"


class NoTrainingSplit(Shelf):
    splits = ("training", "valid")


class TheSameNameTwice(Shelf):
    splits = ("train", "train")


class SplitWithoutAName(Shelf):
    splits = ("train", "")


class NamesInASet(Shelf):
    splits = frozenset({"train", "valid"})


class SplitsOfTheReading(Shelf):
    """Which splits there are depends on how many instances there were."""

    built = 0

    def __init__(self, *, path: Path | list[Path]) -> None:
        super().__init__(path=path)
        SplitsOfTheReading.built += 1

    @property
    def splits(self):
        return ("train", "valid") if self.built % 2 else ("train",)


class RawBytes(Shelf):
    def documents(self, split):
        yield from (path.read_bytes() for path in self.paths)


class WholeText(Shelf):
    def documents(self, split):
        return "".join(line for document in super().documents(split) for line in document)


class OneIdsForAll(Numbers):
    def documents(self, split):
        return next(super().documents(split))


class ByteStrings(Shelf):
    def documents(self, split):
        yield from ([line.encode() for line in lines] for lines in super().documents(split))


class NoneForNothing(Shelf):
    def documents(self, split):
        yield from super().documents(split)
        yield None


class TextAndIds(Shelf):
    def documents(self, split):
        yield from super().documents(split)
        yield Ids(np.arange(3))


class PlainTuple(Numbers):
    def documents(self, split):
        yield from (tuple(document) for document in super().documents(split))


class FloatIds(Numbers):
    def documents(self, split):
        yield from (Ids(ids / 1.0, weights) for ids, weights in super().documents(split))


class IdsInRows(Numbers):
    def documents(self, split):
        yield Ids(np.stack([ids for ids, _ in super().documents(split)]))


class PaddedWithMinusOne(Numbers):
    def documents(self, split):
        yield from (Ids(np.append(ids, -1)) for ids, _ in super().documents(split))


class OneWeightTooFew(Numbers):
    def documents(self, split):
        yield from (Ids(ids, weights[1:]) for ids, weights in super().documents(split))


class WeightsThatAreNoNumbers(Numbers):
    def documents(self, split):
        with np.errstate(invalid="ignore"):
            yield from (Ids(ids, weights / weights) for ids, weights in super().documents(split))


class EmptyValidation(Shelf):
    def documents(self, split):
        yield from super().documents(split) if split == "train" else ([], "")


class ReadOnce(Shelf):
    def __init__(self, *, path: Path | list[Path]) -> None:
        super().__init__(path=path)
        self.streams = {split: super(ReadOnce, self).documents(split) for split in self.splits}

    def documents(self, split):
        return self.streams[split]


class OneHandle(Shelf):
    """Each pass rewinds the one file that all passes read."""

    def __init__(self, *, path: Path | list[Path]) -> None:
        super().__init__(path=path)
        self.file = io.StringIO("".join(self.lines(self.paths[0])))

    def documents(self, split):
        self.file.seek(0)
        while line := self.file.readline():
            yield line


class AnotherOrderEachTime(Shelf):
    def documents(self, split):
        for lines in super().documents(split):
            yield shuffled("".join(lines), random.Random())  # noqa: S311 # no secret is kept


class AnotherOrderEachBuilding(Shelf):
    def __init__(self, *, path: Path | list[Path]) -> None:
        super().__init__(path=path)
        self.seed = uuid.uuid4().int

    def documents(self, split):
        for lines in super().documents(split):
            yield shuffled("".join(lines), random.Random(self.seed))  # noqa: S311


class CharactersInASet(Shelf):
    def documents(self, split):
        for lines in super().documents(split):
            yield list(set("".join(lines)))

    def fingerprint(self):
        return sha256(*(path.read_text("utf-8") for path in self.paths))


class FingerprintOfAHash(Shelf):
    def fingerprint(self):
        return str(hash(super().fingerprint()))


class FingerprintIsBytes(Shelf):
    def fingerprint(self):
        return bytes.fromhex(super().fingerprint())


class FingerprintIsEmpty(Shelf):
    def fingerprint(self):
        return ""


class FingerprintOfWhatWasRead(Shelf):
    def __init__(self, *, path: Path | list[Path]) -> None:
        super().__init__(path=path)
        self.digest = hashlib.sha256()

    def documents(self, split):
        for lines in super().documents(split):
            self.digest.update("".join(lines).encode())
            yield lines

    def fingerprint(self):
        return self.digest.hexdigest()


class FingerprintOfTheInstance(Shelf):
    def __init__(self, *, path: Path | list[Path]) -> None:
        super().__init__(path=path)
        self.name = uuid.uuid4().hex

    def fingerprint(self):
        return self.name


class FingerprintOfThePath(Shelf):
    def fingerprint(self):
        return sha256(self.paths, self.capitals)


class FingerprintOfTheTime(Shelf):
    def fingerprint(self):
        return sha256(super().fingerprint(), [path.stat().st_mtime for path in self.paths])


class FingerprintOfTheSize(Shelf):
    def fingerprint(self):
        return sha256([path.stat().st_size for path in self.paths], self.capitals)


class FingerprintOfTheBeginning(Shelf):
    def fingerprint(self):
        return sha256([path.read_bytes()[:16] for path in self.paths], self.capitals)


class FingerprintOfTheLastFile(Shelf):
    def fingerprint(self):
        for path in self.paths:
            digest = sha256(self.lines(path))
        return digest


class FingerprintOfTheJoinedText(Shelf):
    def fingerprint(self):
        return sha256("".join(line for path in self.paths for line in self.lines(path)))


class FingerprintOfTheFile(Shelf):
    """What an option makes of the file is not looked at."""

    def fingerprint(self):
        return sha256([path.read_bytes() for path in self.paths])


class FingerprintOfTrainOnly(Shelf):
    def fingerprint(self):
        return sha256(*("".join(document) for document in self.documents("train")))


class FingerprintOfTheOptions(Shelf):
    """An option that changes nothing in this file changes it."""

    def fingerprint(self):
        return sha256(super().fingerprint(), self.capitals)


class FingerprintOfTheSeed(Numbers):
    def fingerprint(self):
        return sha256(self.seed)


class FileNotFound(Shelf):
    def lines(self, path):
        return path.read_text("utf-8").splitlines(keepends=True)


class MissingIsSaidLate(Shelf):
    def fingerprint(self):
        return sha256(self.paths)


class MissingIsPassedOver(Shelf):
    def lines(self, path):
        return super().lines(path) if path.is_file() else []


class MissingIsAnExit(Shelf):
    def lines(self, path):
        if not path.is_file():
            raise SystemExit(f"cannot find {path}")
        return super().lines(path)


class FilesAreNames(Shelf):
    @property
    def files(self):
        return [str(path) for path in self.paths]


class FilesOfYesterday(Shelf):
    @property
    def files(self):
        return [*self.paths, Path("yesterday.txt")]


class FilesTwice(Shelf):
    @property
    def files(self):
        return [*self.paths, *self.paths]


class FilesOfTheFirstSplit(Shelf):
    @property
    def files(self):
        return self.paths[:1]


class FilesOfTheInstance(Shelf):
    built = 0

    def __init__(self, *, path: Path | list[Path]) -> None:
        super().__init__(path=path)
        FilesOfTheInstance.built += 1
        self.turn = -1 if self.built % 2 else 1

    @property
    def files(self):
        return self.paths[:: self.turn]


class SeedsPython(Shelf):
    def documents(self, split):
        random.seed(0)
        for lines in super().documents(split):
            yield random.sample(lines, len(lines))


class DrawsFromNumpyWhenBuilt(Numbers):
    def __init__(self, *, count: int = 3) -> None:
        np.random.seed(7)
        super().__init__(count=count, seed=int(np.random.randint(99)))


class Unavailable:
    """Cannot be had here and now."""

    splits = ("train",)

    def __init__(self) -> None:
        raise CorpusUnavailable("nobody is at home")


class RefusesCopies(Shelf):
    """Only one file will do, so that there are no variants of it."""

    def __init__(self, *, path: Path) -> None:
        super().__init__(path=path)
        if path.name != "first.txt" or path.parent.name != "work":
            raise CorpusError(f"{path}: is another file")
