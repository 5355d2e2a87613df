"""``python -m kdcore.cli``: the same as ``kd``."""

from kdcore.cli.main import main

main()
