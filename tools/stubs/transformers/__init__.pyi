# The package lists 400 models for a type checker: a third of a check's time, for calls that are untyped anyway.
from typing import Any

def __getattr__(name: str) -> Any: ...
