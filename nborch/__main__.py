"""``python -m nborch`` is the ``nborch`` command."""

from nborch.cli.main import main

main()
