"""Places where Prefect has some names: `annotations` and `visualization`."""
