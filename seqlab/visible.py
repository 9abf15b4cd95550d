"""The names of `seqlab.printable` in API 1."""
# ruff: noqa: F401

import warnings

from seqlab.printable import cell, csv_cell, json_text, one_line, pasted, visible

warnings.warn("seqlab.visible is now seqlab.printable", category=DeprecationWarning, stacklevel=2)
