"""Every number that was chosen for speed, beside the measurement that it comes from.

None of them changes a result by more than rounding. "AMD" is the first machine of
docs/performance.md (2 cores, AVX2), "Intel" its second.
"""

# -- from which work on a backend is taken

# T B G H H: a window of `rnn`, 256 units, 32 rows, is 2**25. Below 2**22 both take less than a
# millisecond, and loading the compiler takes half a second in each process.
WINDOW_NUMBA = 2**22
# Numbers of a scan; below, loading the compiler outweighs a whole short run.
SCAN_NUMBA = 2**18
# N V of a loss: `errors of logits` in the table "where a step goes"; 0.40 of the time.
SOFTMAX_NUMBA = 2**20
# N K M on AMD: oneDNN's product of 256 × 256 × 256 is as fast as the BLAS, of more it is faster.
PRODUCT_ONEDNN = 2**24
# Steps of greedy generation from which loading the compiler is worth the wait.
GREEDY_NUMBA = 2**8

# -- products

# N K M from which fewer digits are faster, conversions included: where MKL is narrow (AMD), and
# where it is not (Intel, with AMX).
AUTOCAST_NARROW, AUTOCAST_WIDE = 2**22, 3 * 2**22
# Bytes in a line of a cache: a BLAS writes logits whose rows begin at one 8 to 18 % faster, and a
# step of `rnn` takes 0.88 of its time (`python -m benchmarks what_pays`).
LINE = 64

# -- the loss

# Logits that are held at once: on a CPU 8 MB stay in a cache; on a GPU a launch costs more than
# memory does. And the fewest rows for which reading the head's weight once more pays.
LOGITS_AT_ONCE_CPU, LOGITS_AT_ONCE, LOGIT_ROWS = 2**21, 2**26, 128

# -- one step of generation

# Up to which K M of one row, N K M of more rows, and N, numpy is taken: a call of it costs a third
# of torch's. What is larger its BLAS splits over threads of its own, which wait for torch's.
NUMPY_ONE_ROW, NUMPY_WORK, NUMPY_ROWS = 450_000, 2**18, 15
# Numbers that are worked out beforehand for the ids of a learned embedding.
TABLE = 2**24

# -- compiled loops

ROWS_A_CORE = 2  # fewer are not worth waking a core up
DOT_ROWS = 4  # up to which rows a weight is read number by number; a BLAS takes longer
COMPARED_AT_ONCE = 64  # numbers of a row of logits; LLVM compares as many without a branch
GREEDY_WORK = 2**30  # multiplications between two looks at what was chosen: some milliseconds
GREEDY_READING = 8  # rows that take as long as reading a weight does

# -- memory that the C library keeps

KEPT_BYTES = 2**30  # at most; a run that needs less never has them
MAPPED_BYTES = 2**25  # of one block; glibc refuses more

# -- reading, choosing and scoring

PREFIX_WINDOW = 512  # tokens of a prefix that the model reads at once: longer ones take more memory
ROWS_AT_ONCE = 256  # rows that are continued together: more are no faster on two cores
STEPS_AT_ONCE = 64  # steps whose random numbers are drawn together: 4 % of a step of `sample`
LOGARITHMS_AT_ONCE = 2**16  # numbers whose log-softmax is taken together; more leave the cache
SHORT_DOCUMENTS = 16  # times `rows` short documents are scored at once; each has a state
ATTENTION_CHUNK = 8  # tokens of a chunk of `gated_linear_attention`: the fastest of 4, 8 and 16
