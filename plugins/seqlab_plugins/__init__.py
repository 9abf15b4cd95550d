"""The plugins that come with seqlab: an ordinary package, found by its entry points."""
