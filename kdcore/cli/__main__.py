"""``python -m kdcore.cli``: the same as ``kd``."""

from kdcore.cli.program import main

main()
