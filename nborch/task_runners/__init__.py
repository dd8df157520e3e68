"""Where submitted tasks run: threads, processes, clusters."""
