"""What a cell promises, one file for each part of the promise."""

from seqlab.testing.cells import (
    devices_and_dtypes,
    gradients,
    reproducibility,
    sizes,
    state,
    token_ids,
    windows,
)

MODULES = (windows, sizes, state, token_ids, gradients, devices_and_dtypes, reproducibility)
