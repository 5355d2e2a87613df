"""A frozen version is read as it was frozen, or not at all."""

import pytest

from kdcore.errors import DataError
from kdcore.records.decisions import DatasetFrozen
from kdcore.records.rows import FROZEN
from kdcore.settings import Workspace
from kdcore.store.engine.frozen_files import digest_of, frozen_path, read_frozen, write_frozen
from kdcore.store.engine.sql_child import numbered


def test_a_changed_byte_a_cut_and_a_missing_file_are_said(tmp_path):
    folders = Workspace(root=tmp_path)
    names = DatasetFrozen.model_fields
    assert "file_sha256" in names and "sha256" in names
    rows = [{name: f"{name} {place}" for name in FROZEN} for place in range(3)]
    file_hash = write_frozen(folders, "ds_1", rows)
    version = DatasetFrozen.model_construct(
        dataset_id="ds_1", name="D", version=1, sha256=digest_of(rows), file_sha256=file_hash
    )
    assert digest_of(read_frozen(folders, version)) == digest_of(rows)
    path = frozen_path(folders, "ds_1")
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], b""):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="not as it was"):
            read_frozen(folders, version)
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        read_frozen(folders, version)


def test_a_version_of_0_1_0_is_held_byte_by_byte_once_it_was_opened(tmp_path):
    """Its record has no hash of the file, and a flip among its padding changes no row."""
    folders = Workspace(root=tmp_path)
    rows = [{name: f"{name} {place}" for name in FROZEN} for place in range(3)]
    write_frozen(folders, "ds_1", rows)
    version = DatasetFrozen.model_construct(
        dataset_id="ds_1", name="D", version=1, sha256=digest_of(rows), file_sha256=""
    )
    assert digest_of(read_frozen(folders, version)) == digest_of(rows)
    path = frozen_path(folders, "ds_1")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DataError, match="not as it was"):
            read_frozen(folders, version)


def test_columns_of_one_name_are_told_apart():
    assert numbered(["a", "b", "a", "a"]) == ["a", "b", "a_2", "a_3"]
