"""All mistakes that show late: kind, component, and the check that catches it."""

from __future__ import annotations

import planted_late_cells as cells
import planted_late_corpora as corpora
import planted_late_decoders as decoders
import planted_late_observers as observers
import planted_late_optimizers as optimizers
import planted_late_samplers as samplers
import planted_late_schedules as schedules
import planted_late_tokenizers as tokenizers

MISTAKES = [
    ("cell", cells.DividesByPowers, "long_windows_equal_their_pieces"),
    ("cell", cells.RightUpTo64Tokens, "long_windows_equal_their_pieces"),
    ("cell", cells.PadsItsLastChunk, "long_windows_equal_their_pieces"),
    ("cell", cells.DetachesBetweenChunks, "long_windows_have_the_gradients_of_their_pieces"),
    ("cell", cells.StatesOfTheFirst32Rows, "many_rows_do_not_mix"),
    ("cell", cells.CachesByLength, "nothing_is_remembered_outside_the_state"),
    ("cell", cells.KeepsItsDropoutMask, "nothing_is_remembered_outside_the_state"),
    ("cell", cells.TypeOfTheStateFollowsTheWindow, "state_keeps_its_shapes"),
    ("cell", cells.ExponentialsWithoutAMaximum, "inputs_may_be_small_or_large"),
    ("cell", cells.ScalesLargeWindows, "inputs_may_be_small_or_large"),
    ("cell", cells.SkipsSilence, "inputs_may_be_small_or_large"),
    ("cell", cells.ModulesGenerator, "seed_decides_everything"),
    ("cell", cells.AttendsBeyondItsContext, "long_windows_equal_their_pieces"),
    ("cell", cells.CountsInBytes, "long_windows_equal_their_pieces"),
    ("cell", cells.LooksFarAhead, "far_inputs_change_nothing_earlier"),
    ("cell", cells.MaskOnTheCpuForLongWindows, "device_is_followed"),
    ("cell", cells.MakesTensorsUnderAutocast, "device_is_followed"),
    ("cell", cells.ForgetsItsBiasInEvaluation, "long_windows_equal_their_pieces"),
    ("cell", cells.StepsUpTo64Rows, "id_stepper_equals_one_hots"),
    ("corpus", corpora.FingerprintIgnoresTheFilter, "fingerprint_follows_the_content"),
    ("corpus", corpora.FingerprintOfTheUpperFolder, "fingerprint_follows_the_content"),
    ("corpus", corpora.FingerprintOfNamesAndSizes, "fingerprint_follows_the_content"),
    ("corpus", corpora.FingerprintHasTheFolder, "fingerprint_follows_the_content"),
    ("corpus", corpora.FingerprintInAnyOrder, "fingerprint_follows_the_content"),
    ("corpus", corpora.ReadsAFileOnce, "changed_file_is_seen"),
    ("corpus", corpora.FilesOfTheUpperFolder, "files_are_all_that_is_read"),
    ("corpus", corpora.MissingFolderIsEmpty, "missing_file_is_said"),
    ("tokenizer", tokenizers.LosesRareCharacters, "texts_come_back"),
    ("tokenizer", tokenizers.TiesInTheOrderOfASet, "hash_seed_does_not_matter"),
    ("tokenizer", tokenizers.CachesByLength, "encoding_depends_on_the_text_alone"),
    ("tokenizer", tokenizers.LosesTheEndOfABlock, "long_texts_come_back"),
    ("tokenizer", tokenizers.LineSeparatorsAreNewlines, "texts_come_back"),
    ("tokenizer", tokenizers.ThinksInSixteenBits, "texts_come_back"),
    ("tokenizer", tokenizers.LosesAByteOfFour, "texts_come_back"),
    ("tokenizer", tokenizers.IdsInABytes, "long_texts_come_back"),
    ("tokenizer", tokenizers.ForgetsLaterPieces, "texts_come_back"),
    ("tokenizer", tokenizers.SavesThePathOfItsFile, "files_count_when_it_is_fitted"),
    ("tokenizer", tokenizers.ReadsItsFileAgain, "files_count_when_it_is_fitted"),
    ("tokenizer", tokenizers.ReadsItsFileWhenAsked, "files_count_when_it_is_fitted"),
    ("sampler", samplers.KeepsTheFirstOrder, "batch_depends_on_epoch_and_index"),
    ("sampler", samplers.KeepsBatchesByIndex, "batch_depends_on_epoch_and_index"),
    ("sampler", samplers.FourthEpochDrawsAgain, "epoch_covers_what_it_declares"),
    ("sampler", samplers.PositionsInSixteenBits, "corpus_may_be_large"),
    ("sampler", samplers.OnlyTheFirstThousandWindows, "corpus_may_be_large"),
    ("sampler", samplers.StreamsWrap, "corpus_may_be_large"),
    ("sampler", samplers.LeftOutOfTheLastEpoch, "batch_depends_on_epoch_and_index"),
    ("sampler", samplers.WeighsTheFirstEpochs, "weights_are_those_of_the_tokens"),
    ("optimizer", optimizers.KeepsSlowWeightsToItself, "saved_optimizer_goes_on_to_the_bit"),
    ("optimizer", optimizers.ReadsItsRateEachTenthStep, "rate_in_the_groups_is_used"),
    ("optimizer", optimizers.BuffersByPlace, "parameters_without_gradient_are_left_alone"),
    ("optimizer", optimizers.MatricesAndVectorsOnly, "parameters_may_have_any_shape"),
    ("optimizer", optimizers.RateOfTheFirstGroup, "rate_of_each_group_is_its_own"),
    ("optimizer", optimizers.DividesByTheNorm, "gradients_may_be_any_numbers"),
    ("optimizer", optimizers.CentresItsVariance, "gradients_may_be_any_numbers"),
    ("optimizer", optimizers.FlattensByView, "weights_may_lie_in_any_order"),
    ("optimizer", optimizers.MomentumIsTheFirstGradient, "gradients_may_be_written_in_place"),
    ("schedule", schedules.table_of_a_thousand, "every_step_has_a_rate"),
    ("schedule", schedules.exponent_overflows, "every_step_has_a_rate"),
    ("schedule", schedules.ScalesTwoGroups, "groups_keep_their_ratio"),
    ("schedule", schedules.CountsCyclesToItself, "saved_schedule_goes_on"),
    ("schedule", schedules.ChanceAtRestarts, "same_steps_give_the_same_rates"),
    ("decoder", decoders.ChanceOfTheFirst32Rows, "rows_are_chosen_for_as_if_alone"),
    ("decoder", decoders.SortsInPlace, "what_a_decoder_is_given_is_left_alone"),
    ("decoder", decoders.ReadsTheNeighbour, "rows_are_chosen_for_as_if_alone"),
    ("decoder", decoders.WeighsAHundredTokens, "history_may_have_any_length"),
    ("decoder", decoders.CachesByLength, "rows_are_chosen_for_as_if_alone"),
    ("decoder", decoders.SumsInHalfPrecision, "impossible_tokens_are_never_chosen"),
    ("decoder", decoders.ExponentialsWithoutAMaximum, "certain_token_is_chosen"),
    ("decoder", decoders.PenaltyInPlaceForLongTexts, "what_a_decoder_is_given_is_left_alone"),
    ("observer", observers.DrawsWhenSaving, "observing_draws_nothing"),
    ("observer", observers.ChangesTheDefaultType, "settings_are_left_alone"),
    ("observer", observers.TurnsGradientsOff, "settings_are_left_alone"),
    ("observer", observers.SilencesWarnings, "settings_are_left_alone"),
    ("observer", observers.RaisesForNumpy, "settings_are_left_alone"),
    ("observer", observers.StepInAByte, "every_record_is_survived"),
    ("observer", observers.LeavesAThread, "nothing_goes_on_after_the_end"),
]


def checks_that_catch(kind: str) -> set[str]:
    """The checks of a kind that catch one of them."""
    return {check for of, _, check in MISTAKES if of == kind}
