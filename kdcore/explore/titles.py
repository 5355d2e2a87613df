"""Readable titles for groups of texts: class-based TF-IDF (Grootendorst 2022, BERTopic eq. 1)."""

from __future__ import annotations

from typing import Any

import numpy as np

WORDS_IN_TITLE = 3
TEXTS_IN_GROUP = 2000  # read of each group: the words that mark it show long before


def titles(texts: list[str], labels: np.ndarray) -> dict[int, str]:
    """The words that mark each group: ``tf · log(1 + A / f)``, A the mean number of words in a group."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    groups = [int(label) for label in np.unique(labels)]
    joined = [" ".join(texts[i] for i in np.flatnonzero(labels == g)[:TEXTS_IN_GROUP]) for g in groups]
    vectorizer = CountVectorizer(
        stop_words=sorted(ENGLISH_STOP_WORDS | _FILLER),
        token_pattern=r"(?u)\b[^\W\d_]{3,}\b",
        max_features=50_000,
    )
    try:
        matrix: Any = vectorizer.fit_transform(joined)
        counts = matrix.toarray().astype(np.float64)  # (groups, words)
    except ValueError:  # nothing but stop words
        return {group: f"group {group + 1}" for group in groups}
    words = np.asarray(vectorizer.get_feature_names_out())
    total = counts.sum(0)
    weight = counts / np.maximum(counts.sum(1, keepdims=True), 1.0) * np.log1p(counts.sum() / len(groups) / total)
    result: dict[int, str] = {}
    for row, group in enumerate(groups):
        best = [str(words[i]) for i in np.argsort(-weight[row]) if weight[row, i] > 0]
        chosen = _without_plurals(best)[:WORDS_IN_TITLE]
        result[group] = " · ".join(chosen) if chosen else f"group {group + 1}"
    return result


def _without_plurals(words: list[str]) -> list[str]:
    kept: list[str] = []
    for word in words:
        if not any(word in {f"{other}s", f"{other}es"} or other in {f"{word}s", f"{word}es"} for other in kept):
            kept.append(word)
    return kept


_FILLER = frozenset(
    [
        "use",
        "used",
        "using",
        "usually",
        "include",
        "includes",
        "including",
        "make",
        "makes",
        "help",
        "helps",
        "called",
        "like",
        "know",
        "known",
        "does",
        "did",
        "doesn",
        "example",
        "may",
        "might",
        "means",
        "way",
        "ways",
        "thing",
        "things",
        "need",
        "needs",
        "get",
        "gets",
        "type",
        "types",
        "different",
        "common",
        "commonly",
    ]
)
