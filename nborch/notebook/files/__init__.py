"""Which files a cell reads, looks for and makes."""
