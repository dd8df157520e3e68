"""The first line of a cell: its options, their help and their completion."""
