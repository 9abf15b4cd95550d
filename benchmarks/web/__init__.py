"""The page of `seqlab serve`: many runs, many browsers, hostile input, pictures."""
