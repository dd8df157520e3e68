"""The run store: every run, state and log, as append-only events."""
