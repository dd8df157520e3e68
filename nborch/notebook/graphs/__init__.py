"""Run graphs in a notebook: where they appear, and what their buttons do."""
