"""The revisions, in the order of their names: `s…` are the branch `store`, `t…` the branch `toolkit`."""
