"""Components that others would write: they use public names of seqlab alone."""
