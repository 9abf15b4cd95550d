"""What a decoder promises: of one choice, of its memory, and of whole continuations."""

from seqlab.testing.decoders import choosing, remembering, searching

MODULES = (choosing, remembering, searching)
