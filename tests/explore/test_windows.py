"""Texts are embedded whole: what differs after the first window is another text."""

import numpy as np
import pytest

from kdcore.explore.embedders import Embedder
from kdcore.explore.vector_file import VectorFile

pytestmark = pytest.mark.models
SAME = "The supplier keeps all confidential information secret and returns it at the end of the term. " * 40


@pytest.fixture(scope="module")
def embedder(models) -> Embedder:
    return Embedder(models / "minilm-l6-v2", "float32")


def test_two_contracts_that_begin_alike_are_not_the_same(embedder):
    other = SAME + "The buyer may end this contract at any time and owes no damages whatever for doing so. " * 40
    one, two, again = embedder.encode([SAME, other, SAME])
    assert np.allclose(one, again)
    assert float(one @ two) < 0.98
    assert np.allclose(np.linalg.norm([one, two], axis=1), 1, atol=1e-5)
    assert embedder.cut == 0


def test_a_short_text_is_embedded_as_before_and_progress_counts_texts(embedder):
    seen = []
    short = embedder.encode(["Is aspirin safe?", SAME, "Who pays?"], on_batch=seen.append)
    assert np.allclose(short[0], embedder.encode(["Is aspirin safe?"])[0], atol=1e-5)
    assert seen[-1] == 3


def test_a_search_among_some_rows_finds_none_of_the_others(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from kdcore.workers.embed import vector_table

    vectors = np.eye(4, dtype=np.float32)
    pq.write_table(vector_table(pa.array(["a", "b", "c", "d"]), vectors), tmp_path / "vectors.parquet")
    found = VectorFile(tmp_path).nearest(np.array([1.0, 0.9, 0.8, 0.7], dtype=np.float32), 3, ["d", "b", "nowhere"])
    assert [key for key, _ in found] == ["b", "d"]
