"""A large map is laid out by a sample of its rows; groups stay together and nothing depends on luck."""

import numpy as np

from kdcore.explore import projection
from kdcore.explore.clustering import cluster


def grouped(rows: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    centres = chance.normal(size=(6, 32))
    labels = chance.integers(0, 6, rows)
    found = centres[labels] + 0.3 * chance.normal(size=(rows, 32))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), labels


def first_two(vectors: np.ndarray, seed: int) -> np.ndarray:
    return vectors[:, :2]


def test_landmarks_keep_their_places_and_the_rest_lies_among_them(monkeypatch):
    monkeypatch.setattr(projection, "CHUNK", 64)
    vectors, labels = grouped(500)
    flat = projection.by_landmarks(vectors, first_two, seed=0, count=100)
    chosen = np.sort(np.random.default_rng(0).choice(500, 100, replace=False))
    np.testing.assert_allclose(flat[chosen], vectors[chosen, :2], atol=1e-6)
    for group in range(6):
        landmarks = vectors[chosen][labels[chosen] == group, :2]
        rest = flat[labels == group]
        assert (rest >= landmarks.min(0) - 1e-5).all()
        assert (rest <= landmarks.max(0) + 1e-5).all()


def test_a_large_set_keeps_its_groups_and_its_order(monkeypatch):
    monkeypatch.setattr(projection, "LANDMARKS", 150)
    vectors, labels = grouped(600)
    flat = projection.project(vectors)
    assert flat.shape == (600, 2)
    assert np.abs(flat).max() <= 1.0 + 1e-6
    np.testing.assert_array_equal(flat, projection.project(vectors))
    centres = np.stack([flat[labels == g].mean(0) for g in range(6)])
    nearest = np.linalg.norm(flat[:, None] - centres[None], axis=2).argmin(1)
    assert (nearest == labels).mean() > 0.95


def test_groups_are_found_without_being_told_how_many():
    vectors, labels = grouped(600)
    found = cluster(vectors)
    for group in np.unique(found):  # finer than the truth is allowed, mixed is not
        assert np.bincount(labels[found == group]).max() / (found == group).sum() > 0.95
