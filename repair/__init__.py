"""The catalogue of repairs: one file each, one declaration a file, named `REPAIR`."""
