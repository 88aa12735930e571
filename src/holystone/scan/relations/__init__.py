"""The relations of facts, one file each."""
