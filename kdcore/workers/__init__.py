"""Worker processes: ``python -m kdcore.workers.<kind> RUN_DIR --epoch N``. They never open DuckDB.

Those that train or ask a model start without scikit-learn, a quarter sooner: transformers imports it, and SciPy with
it, for a way of writing that nothing here uses, and does without where it is not there. Only a process that was
started as such a worker leaves it out; elsewhere importing this package changes nothing.
"""

import sys

WITHOUT_SKLEARN = frozenset({"distill", "evaluate", "generate", "preflight", "score"})


def kind_of_process(command: list[str]) -> str:
    """The kind of worker that a command line (``sys.orig_argv``) starts; "" for any other process."""
    module = command[command.index("-m") + 1] if "-m" in command[:-1] else ""
    return module.removeprefix("kdcore.workers.") if module.startswith("kdcore.workers.") else ""


if kind_of_process(sys.orig_argv) in WITHOUT_SKLEARN:
    sys.modules.setdefault("sklearn", None)  # pyright: ignore[reportArgumentType]
