"""Run folders in -> a page to look at: `seqlab serve` (extra `web`)."""
