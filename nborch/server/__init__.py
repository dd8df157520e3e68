"""The server: pages and an API over HTTP, alone or inside a Jupyter server."""
