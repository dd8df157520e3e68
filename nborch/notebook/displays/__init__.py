"""What a cell shows: recorded, shown again, and errors as IPython shows them."""
