"""What a cell does to names and to the process, and how it is done again."""
