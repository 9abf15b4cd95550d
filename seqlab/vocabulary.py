"""What an embedding, a head or an objective is told of the token ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from seqlab.contracts import Tokenizer, offered
from seqlab.errors import CheckpointError
from seqlab.remedies import Verb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Count = Callable[[], NDArray[np.int64]]


class Vocabulary(int):
    """How many token ids there are, as an integer, and what each of them is.

    Args:
        size: V.
        spell: returns the UTF-8 bytes of a token.
        count: returns how often each id occurs in the training split; None: it is not known.
        reserved: ids that no text has, by their names.
    """

    reserved: Mapping[str, int]
    is_known = True
    """False: it is made up, for a component that is only tried; see `unknown`."""
    _spell: Callable[[int], bytes]
    _count: Count | None

    def __new__(
        cls,
        size: int,
        spell: Callable[[int], bytes],
        count: Count | None = None,
        reserved: Mapping[str, int] | None = None,
    ) -> Vocabulary:
        self = super().__new__(cls, size)
        self._spell, self._count, self.reserved = spell, count, dict(reserved or {})
        return self

    def __deepcopy__(self, memo: object) -> Vocabulary:
        return self  # nobody changes it, and a copy of a model has the same tokens

    @classmethod
    def of(cls, tokenizer: Tokenizer, count: Count | None = None) -> Vocabulary:
        """Return that of a fitted tokenizer."""
        reserved = offered(tokenizer, "reserved")
        return cls(tokenizer.size, tokenizer.token_bytes, count, reserved)

    @classmethod
    def unknown(cls, size: int, reserved: Iterable[str] = ()) -> Vocabulary:
        """Return one of whose tokens nothing is known: they have no text, and occur once."""
        import numpy as np

        ids = {name: token for token, name in enumerate(reserved)}
        made_up = cls(size, lambda _: b"", lambda: np.ones(size, dtype=np.int64), ids)
        made_up.is_known = False
        return made_up

    @property
    def size(self) -> int:
        """V: ids are 0 to size - 1."""
        return int(self)

    def token_bytes(self, token: int) -> bytes:
        """Return the UTF-8 bytes of a token."""
        return self._spell(token)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(V,): how often each id occurs in the training split, whatever its weight as a target.

        Raises:
            CheckpointError: they are of a run that is older than this number.
        """
        if self._count is None:
            raise CheckpointError(
                "how often each token occurs is not known: the checkpoint is of an older seqlab;"
                f" {Verb('resume')} counts anew and saves it"
            )
        return self._count()
