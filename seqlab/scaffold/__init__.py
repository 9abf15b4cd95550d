"""A kind and a name in -> the files of a new plugin out: one to drop in, or a whole package."""

from seqlab.scaffold.naming import check_name, check_unused
from seqlab.scaffold.scaffolding import scaffold

__all__ = ["check_name", "check_unused", "scaffold"]
