"""A concept from examples: a straight line through the vectors of the rows that people marked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdcore.errors import ConfigError

FOLDS = 5
STAND_INS = 5  # unmarked rows for each "yes", where nobody said "no" yet


@dataclass(frozen=True, slots=True)
class Concept:
    """Weights (D,) and a bias; ``quality`` is the area under the ROC curve on rows left out, None if too few."""

    weights: np.ndarray
    bias: float
    quality: float | None

    @staticmethod
    def load(folder: Path) -> Concept:
        """Read what the worker left in its run folder."""
        found = json.loads((folder / "concept.json").read_bytes())
        return Concept(np.asarray(found["weights"], np.float32), found["bias"], found["quality"])

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """(N, D) → (N,) chance that a row has the concept, 0 to 1."""
        return 1 / (1 + np.exp(-(vectors @ self.weights + self.bias)))


def learn(yes: np.ndarray, no: np.ndarray, unmarked: np.ndarray, seed: int = 0) -> Concept:
    """Logistic regression on (N, D) unit vectors. Without a "no" some unmarked rows stand in for it.

    Raises ConfigError where there is nothing to tell apart.
    """
    from sklearn.linear_model import LogisticRegression

    if not len(yes):
        raise ConfigError("mark at least one row that has the concept, then learn again.")
    others = no
    if not len(no):
        count = min(len(unmarked), STAND_INS * len(yes))
        others = unmarked[np.random.default_rng(seed).permutation(len(unmarked))[:count]]
    if not len(others):
        raise ConfigError("mark at least one row that has not the concept, then learn again.")
    rows = np.vstack([yes, others])
    labels = np.r_[np.ones(len(yes)), np.zeros(len(others))]
    model: Any = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)
    model.fit(rows, labels)
    return Concept(model.coef_[0].astype(np.float32), float(model.intercept_[0]), _quality(model, rows, labels, seed))


def _quality(model: Any, rows: np.ndarray, labels: np.ndarray, seed: int) -> float | None:
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    if min(labels.sum(), len(labels) - labels.sum()) < FOLDS:
        return None
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return float(roc_auc_score(labels, cross_val_predict(model, rows, labels, cv=folds, method="decision_function")))
