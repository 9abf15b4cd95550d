"""What a decoder promises: of one choice, and of whole continuations."""

from seqlab.testing.decoders import choosing, searching

MODULES = (choosing, searching)
