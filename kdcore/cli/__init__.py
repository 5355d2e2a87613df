"""The command line: one file a stage; options beside the function that they are for."""

from kdcore.cli.program import main

__all__ = ["main"]
