"""The promises of a sampler: every mistake is caught, and what is right passes."""

from __future__ import annotations

import planted_samplers as planted
import pytest
from planted_late import checks_that_catch

from seqlab.testing import samplers
from seqlab.testing.collection import checks_in
from seqlab.testing.promises import Broken, Subject, look_at, verify

CHECKS = checks_in(samplers)
DEFECTS = [
    (planted.ABatchOfDocuments, samplers.epoch_has_batches, "0 for 602 tokens"),
    (planted.NarrowIds, samplers.batches_have_their_shapes, "torch.int32"),
    (planted.FlagsInAColumn, samplers.batches_have_their_shapes, r"continues of .*\(4, 1\)"),
    (planted.OneRowIsFlat, samplers.short_corpus_works_or_is_refused, r"\(B, T\)"),
    (planted.PaddedWithMinusAHundred, samplers.batches_have_their_shapes, "where nothing counts"),
    (planted.IntegerWeights, samplers.batches_have_their_shapes, "weights of torch.float32"),
    (planted.NegativeWeights, samplers.batches_have_their_shapes, "none below 0"),
    (planted.RatesByTheClock, samplers.rates_are_numbers, "the same rates from another instance"),
    (planted.RateBelowZero, samplers.rates_are_numbers, "finite floats of 0 or more"),
    (planted.TargetsAreInputs, samplers.targets_are_inputs_shifted, "the next token"),
    (planted.TargetsTwoFurther, samplers.targets_are_inputs_shifted, "the next token"),
    (planted.ShuffledWithinTheWindow, samplers.targets_are_inputs_shifted, "without a gap"),
    (planted.SaysNothingIsLeftOut, samplers.epoch_covers_what_it_declares, "neither in epoch 0"),
    (planted.LeavesOutOneTooMany, samplers.epoch_covers_what_it_declares, "no target both"),
    (planted.LeavesOutBeyondTheEnd, samplers.epoch_covers_what_it_declares, "1 … 600"),
    (planted.LeavesOutTheSameTwice, samplers.epoch_covers_what_it_declares, "in one range"),
    (planted.LeavesOutASlice, samplers.epoch_covers_what_it_declares, "as ranges"),
    (planted.SamplesWithReplacement, samplers.epoch_covers_what_it_declares, "neither in epoch 0"),
    (planted.ForgetsTheSecondEpoch, samplers.epoch_covers_what_it_declares, "in epoch 1"),
    (planted.ForgetsWeights, samplers.weights_are_those_of_the_tokens, "as their tokens do"),
    (planted.WeighsInputs, samplers.weights_are_those_of_the_tokens, "neither in epoch 0"),
    (planted.ContinuesIntoTheEpoch, samplers.rows_continue_truthfully, "into an epoch"),
    (planted.ContinuesWhereItDoesNot, samplers.rows_continue_truthfully, "its next input"),
    (planted.OverlapsByOne, samplers.rows_continue_truthfully, "its next input"),
    (planted.LosesARow, samplers.rows_continue_truthfully, "3, then 2"),
    (planted.GoesOnWhereItIs, samplers.batch_depends_on_epoch_and_index, "other inputs"),
    (planted.OneBufferForAll, samplers.batch_depends_on_epoch_and_index, "other inputs"),
    (planted.AnotherOrderInEveryProcess, samplers.batch_depends_on_epoch_and_index, "other inputs"),
    (planted.ShufflesTheTokens, samplers.batch_depends_on_epoch_and_index, "other inputs"),
    (planted.SeedsTorch, samplers.chance_comes_from_the_seed_alone, "torch's random state"),
    (planted.DrawsOnceWhenBuilt, samplers.chance_comes_from_the_seed_alone, "numpy's random state"),
    (planted.TakesSmallSeedsOnly, samplers.any_seed_is_as_good, "Seed must be between"),
    (planted.SeedOverflows, samplers.any_seed_is_as_good, "overflow"),
    (planted.NeedsASecondDocument, samplers.documents_may_be_few_or_many, "out of bounds"),
    (planted.SaysFreshAndReadsOn, samplers.documents_start_as_it_says, "first tokens"),
    (planted.FreshWithoutSaying, samplers.documents_start_as_it_says, "to say 'fresh'"),
    (planted.ShortIsEmpty, samplers.short_corpus_works_or_is_refused, "0 for 1 tokens"),
    (planted.ShortIsDividedByZero, samplers.short_corpus_works_or_is_refused, "ZeroDivision"),
]
BUILT_IN = (
    {},
    {"partial": "keep"},
    {"batch_size": 5, "window": 7},
    {"batch_size": 64, "window": 2, "partial": "keep"},
    {"batch_size": 1, "window": 20},
    {"batch_size": 3, "window": 6, "least": 2, "deviation": 3.0, "halved": 0.5},
    {"batch_size": 3, "window": 6, "offsets": "by_epoch"},
    {"batch_size": 3, "window": 6, "carry_over_epochs": True},
    {"windows": "anywhere"},
    {"windows": "anywhere", "batch_size": 5, "window": 7, "partial": "keep"},
)


@pytest.mark.parametrize(("sampler", "check", "message"), DEFECTS)
def test_a_planted_mistake_is_caught_by_its_check(sampler, check, message):
    with pytest.raises(Broken, match=message):
        verify(check, Subject.of("sampler", sampler, {}))


def test_every_check_catches_something():
    caught = {check.__name__ for _, check, _ in DEFECTS} | checks_that_catch("sampler")
    assert caught == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("sampler", [planted.Shuffled, planted.Streams, planted.Packed])
def test_what_is_right_keeps_every_promise(sampler, check):
    verify(check, Subject.of("sampler", sampler, {}))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("options", BUILT_IN, ids=str)
def test_the_samplers_that_come_with_seqlab_keep_every_promise(registry, options, check):
    for component in registry.components("sampler"):
        known = Subject.of_component(component, {}).signature.options
        own = {name: value for name, value in options.items() if name in known}
        result = look_at(check, Subject.of_component(component, own))
        assert (component.name, result.verdict, result.message) == (component.name, "kept", "")
