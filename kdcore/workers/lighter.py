"""Imported first by workers that train or ask a model: they start without scikit-learn, a quarter sooner.

transformers imports it, and SciPy with it, for a way of writing that nothing here uses, and does without where it is
not there. Only a process that is such a worker leaves it out; elsewhere importing this changes nothing.
"""

import sys

if (getattr(sys.modules["__main__"], "__spec__", None) or sys.__spec__).name.startswith("kdcore.workers."):
    sys.modules.setdefault("sklearn", None)  # pyright: ignore[reportArgumentType]
