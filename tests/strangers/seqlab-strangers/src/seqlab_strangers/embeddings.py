"""Embeddings without a row for each token. Shapes: B rows, T window, V vocabulary, E size."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn

import seqlab

SEQLAB_API = 2
PADDING = 256


class ByteConvolution(nn.Module):
    """A token's vector from its bytes, by a convolution: Kim et al., 2016, arXiv:1508.06615.

    Args:
        size: E.
        byte_size: of the vector of a byte.
        width: how many bytes the convolution reads at once.
        longest: bytes of a token that are read; the rest is not.
    """

    spelled: Tensor

    def __init__(
        self,
        vocabulary: seqlab.Vocabulary,
        *,
        size: seqlab.Count = 64,
        byte_size: seqlab.Count = 16,
        width: seqlab.Count = 3,
        longest: seqlab.Count = 16,
    ) -> None:
        super().__init__()
        self.output_size = size
        rows = [self._row(vocabulary.token_bytes(t), longest) for t in range(vocabulary.size)]
        self.register_buffer("spelled", torch.tensor(rows), persistent=False)  # (V, longest)
        self.bytes = nn.Embedding(PADDING + 1, byte_size, padding_idx=PADDING)
        self.convolution = nn.Conv1d(byte_size, size, width, padding=width - 1)

    @staticmethod
    def _row(spelling: bytes, longest: int) -> list[int]:
        return [*spelling[:longest], *[PADDING] * (longest - len(spelling))]

    def forward(self, ids: Tensor) -> Tensor:
        distinct, places = ids.unique(return_inverse=True)
        read = self.bytes(self.spelled[distinct]).transpose(1, 2)  # (U, byte_size, longest)
        vectors = self.convolution(read).amax(-1).tanh()  # (U, E)
        return vectors[places]


class Hashed(nn.Module):
    """Vectors that tokens share, found by several hashes: Svenstrup et al., 2017, arXiv:1709.03933.

    Args:
        size: E.
        buckets: how many vectors there are.
        hashes: how many of them a token has, each with a weight of its own.
    """

    def __init__(
        self,
        vocabulary: seqlab.Vocabulary,
        *,
        size: seqlab.Count = 64,
        buckets: seqlab.Count = 1024,
        hashes: seqlab.Count = 2,
    ) -> None:
        super().__init__()
        self.output_size = size
        shuffles = [seqlab.Permutation(vocabulary.size, number) for number in range(hashes)]
        tokens = torch.arange(vocabulary.size).numpy()
        places = torch.stack([torch.as_tensor(shuffle(tokens)) for shuffle in shuffles], -1)
        self.register_buffer("places", places % buckets, persistent=False)  # (V, hashes)
        used = min(buckets, vocabulary.size)
        self.vectors = nn.Embedding(used, size)
        self.weights = nn.Embedding(vocabulary.size, hashes)

    def forward(self, ids: Tensor) -> Tensor:
        vectors = self.vectors(self.places[ids])  # (B, T, hashes, E)
        return (vectors * self.weights(ids).unsqueeze(-1)).sum(-2)


class Bigrams(nn.Module):
    """Another embedding, and a vector for each token with the one before it, found by a hash.

    Args:
        inner: the embedding.
        buckets: how many vectors there are for pairs of tokens, which share them.
    """

    def __init__(
        self,
        vocabulary: seqlab.Vocabulary,
        *,
        inner: seqlab.EmbeddingFactory = seqlab.component("learned", size=64),  # noqa: B008 # nobody changes it
        buckets: seqlab.Count = 4096,
    ) -> None:
        super().__init__()
        self.inner, self.buckets = inner(vocabulary), buckets
        if len(inspect.signature(self.inner.forward).parameters) > 1:
            raise ValueError("inner: it carries a state")
        self.output_size = self.inner.output_size
        self.pairs = nn.Embedding(buckets, self.output_size)

    def forward(self, ids: Tensor, state: seqlab.State | None) -> tuple[Tensor, Tensor]:
        """The state is the last token, counted from 1; 0 is before the first one."""
        last = ids.new_zeros(len(ids), 1) if state is None else state
        before = torch.cat((last, ids[:, :-1] + 1), 1)
        vectors = self.pairs((before * 1_000_003 + ids) % self.buckets)
        return self.inner(ids) + vectors, ids[:, -1:] + 1


@seqlab.hookimpl
def seqlab_register_embeddings() -> dict[str, type[nn.Module]]:
    return {"byte_convolution": ByteConvolution, "hashed": Hashed, "bigrams": Bigrams}
