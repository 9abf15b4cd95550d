"""Write the files of a new plugin: a single file to drop in, or a package."""

from seqlab.scaffold.examples import setting
from seqlab.scaffold.naming import check_name, check_unused
from seqlab.scaffold.scaffolding import scaffold

__all__ = ["check_name", "check_unused", "scaffold", "setting"]
