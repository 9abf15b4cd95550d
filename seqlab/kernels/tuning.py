"""Every number that was chosen for speed, beside the measurement that it comes from.

None of them changes a result by more than rounding. Unless a comment says otherwise, the figures
are those of `python -m benchmarks thresholds`, on two cores of an AMD EPYC with AVX2.
"""

# -- the least work for which a compiled loop is used: loading the compiler takes half a second

# T B G H H. Windows of 2**18, 2**22 and 2**25 take 0.14, 0.16 and 0.24 of the reference's time. At
# 2**18 that is 3.3 ms a step, so the compiler has paid for itself after 150 steps.
WINDOW_NUMBA = 2**18
# Numbers of a scan: 0.34 of the time of joining at 2**18, which is 1.2 ms.
SCAN_NUMBA = 2**18
# N V of a loss: 0.47 of the time at 2**20, 0.61 at 2**18, 0.98 at 2**16.
SOFTMAX_NUMBA = 2**20
# Steps of greedy generation: 256 steps of one row of `rnn` take 22 ms, compiled 6 ms
# (`python -m benchmarks what_pays`); the length decides, so that a text is the same in any company.
GREEDY_NUMBA = 2**8

# -- products

# N K M from which fewer digits are faster, conversions included: where MKL is narrow (an EPYC with
# AVX-512 and bfloat16), and where it is not (a Xeon with AMX). The machines are those of
# docs/performance.md, and the numbers older than the script.
AUTOCAST_NARROW, AUTOCAST_WIDE = 2**22, 3 * 2**22
# Bytes in a line of a cache: a step of `rnn` takes 0.88 of its time where rows of logits begin at
# one (`python -m benchmarks what_pays`).
LINE = 64

# -- the loss

# Logits that are held at once: on a CPU 8 MB stay in a cache; on a GPU a launch costs more than
# memory does. And the fewest rows for which reading the head's weight once more pays. All three
# are older than the script; `python -m benchmarks scaling` has the memory that they spare.
LOGITS_AT_ONCE_CPU, LOGITS_AT_ONCE, LOGIT_ROWS = 2**21, 2**26, 128

# -- compiled loops; these are older than the script

ROWS_A_CORE = 2  # fewer are not worth waking a core up
DOT_ROWS = 4  # up to which rows a weight is read number by number; a BLAS takes longer
COMPARED_AT_ONCE = 64  # numbers of a row of logits; LLVM compares as many without a branch
GREEDY_WORK = 2**30  # multiplications between two looks at what was chosen: some milliseconds
GREEDY_READING = 8  # rows that take as long as reading a weight does
TABLE = 2**24  # numbers, 64 MB, that may be computed before greedy steps over an embedding

# -- memory that the C library keeps

KEPT_BYTES = 2**30  # at most; a run that needs less never has them
MAPPED_BYTES = 2**25  # of one block; glibc refuses more

# -- reading, choosing and scoring

# Tokens of a prefix that are read at once: 0.62 of the time of 64; 4,096 gain no more.
PREFIX_WINDOW = 512
# Rows that are continued together: 0.78 of the time of 64, 1.08 of the time of 1,024.
ROWS_AT_ONCE = 256
# Steps whose random numbers are drawn together: 0.61 of the time of 1; 512 gain no more.
STEPS_AT_ONCE = 64
# Numbers whose log-softmax is taken together: 0.90 of the time of 2**11; 2**21 gain no more.
LOGARITHMS_AT_ONCE = 2**16
SHORT_DOCUMENTS = 16  # times `rows` short documents are scored at once; each has a state
# Tokens in a chunk of memories with a decay for each key: 0.82 of the time of 8.
ATTENTION_CHUNK = 4
# Tokens in a chunk of memories with one decay for a head; no script measures it yet.
MEMORY_CHUNK = 64
# Characters that are looked up together, so that they and their ids fit into the cache of a core;
# no script measures it yet.
CHARACTERS_AT_ONCE = 2**16
