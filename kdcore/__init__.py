"""Knowledge distillation of language models: elicit, curate, distil, compare.

Importing this package loads nothing heavy. The rooms: ``services`` are the use cases, ``store`` holds
the only SQL, ``jobs`` the run folder that app and workers share, ``workers`` the processes that own
the accelerator. ``docs/architecture.md`` has the picture.
"""

__version__ = "0.1.0"
