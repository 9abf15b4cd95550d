"""The n-grams beside those of NLTK, a toolkit of others, where both estimate the same.

NLTK interpolates with one discount for all counts. The n-grams here have three for each order, by
Chen and Goodman, 1998, which all come to 3/4 where a text is too short to estimate them; NLTK is
given that one. What still differs is below the shortest context: NLTK's unigrams are the shares of
the continuation counts, with no mass for tokens that were never seen, while here they are
discounted too and interpolated with the uniform distribution, as in that paper. So a level of
NLTK's is compared given what is below it, and whole probabilities by how much the unigrams differ.
"""

from __future__ import annotations

import numpy as np
import pytest
from seqlab_plugins.evaluation.ngrams import NGrams

lm = pytest.importorskip("nltk.lm", reason="needs nltk, in the extra `test`")

VOCABULARY, ORDER, DISCOUNT = 6, 3, 0.75
IDS = [0, 1, 2, 0, 1, 3, 0, 1, 2, 4, 2, 0, 3, 1, 2]  # no gram is seen four times, at any order


@pytest.fixture(scope="module")
def toolkit():
    """NLTK's models of order 1 to 3 of the same counts; `order - 1` is the index."""
    grams = [
        [tuple(map(str, IDS[i : i + k])) for i in range(len(IDS) - k + 1)]
        for k in range(1, ORDER + 1)
    ]
    words = [str(token) for token in range(VOCABULARY)]
    models = []
    for order in range(2, ORDER + 1):
        model = lm.KneserNeyInterpolated(order, discount=DISCOUNT)
        model.fit([[gram for level in grams[:order] for gram in level]], vocabulary_text=words)
        models.append(model)
    return models


def contexts(length):
    """Every context of this length behind which a token was seen."""
    return sorted({tuple(IDS[i : i + length]) for i in range(len(IDS) - length)})


def mine(model, context):
    """(V,) the probabilities of all tokens behind a context."""
    rows = np.array([[*context, token] for token in range(VOCABULARY)])
    return model.probabilities(rows)[:, -1]


def theirs(model, context):
    words = [str(token) for token in context]
    return np.array([model.score(str(token), words) for token in range(VOCABULARY)])


def first(model):
    """(V,) the unigrams, which a context of a token that was never seen comes down to."""
    return mine(model, [VOCABULARY - 1])


def left(context):
    """The mass that a context of the longest grams leaves to a shorter one."""
    behind = [t for *before, t in _grams(len(context) + 1) if tuple(before) == context]
    return DISCOUNT * len(set(behind)) / len(behind)


def _grams(length):
    return [tuple(IDS[i : i + length]) for i in range(len(IDS) - length + 1)]


def test_bigrams_differ_from_those_of_the_toolkit_by_its_unigrams_alone(toolkit):
    model = NGrams(np.array(IDS), VOCABULARY, 2)
    below = {token: len({a for a, b in _grams(2) if b == token}) for token in range(VOCABULARY)}
    shares = np.array([below[token] for token in range(VOCABULARY)]) / sum(below.values())
    for context in contexts(1):
        wanted = theirs(toolkit[0], context) + left(context) * (first(model) - shares)
        assert mine(model, context) == pytest.approx(wanted, rel=1e-9)


def test_trigrams_differ_from_those_of_the_toolkit_by_shorter_grams_alone(toolkit):
    model = NGrams(np.array(IDS), VOCABULARY, 3)
    for context in contexts(2):
        words = [str(token) for token in context]
        scores = [
            toolkit[1].estimator.alpha_gamma(str(token), words) for token in range(VOCABULARY)
        ]
        kept, share = np.array([a for a, _ in scores]), scores[0][1]
        assert share == pytest.approx(left(context), rel=1e-9)
        assert mine(model, context) == pytest.approx(
            kept + share * mine(model, (VOCABULARY - 1, *context[1:])), rel=1e-9
        )


def test_the_toolkit_leaves_nothing_for_a_token_that_was_never_seen(toolkit):
    never = VOCABULARY - 1
    for context in contexts(1):
        assert theirs(toolkit[0], context)[never] == 0
        assert mine(NGrams(np.array(IDS), VOCABULARY, 2), context)[never] > 0
