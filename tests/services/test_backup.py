"""What was packed comes back whole; a damaged backup or workspace is never silent."""

import os
import random
import shutil
import tarfile
from pathlib import Path

import pytest

from kdcore.errors import ConfigError, DataError
from kdcore.services.backup import backup, restore
from kdcore.services.verify import verify
from kdcore.services.workspace import open_app, rebuild
from kdcore.settings import workspace

pytestmark = pytest.mark.whole

SEEDS = int(os.environ.get("KD_SEEDS", "20"))  # make test-long: 100
TABLES = ("projects", "prompt_versions", "samples", "reviews", "tags", "datasets", "dataset_rows")


def contents(root: Path) -> dict[str, list[str]]:
    app = open_app(root)
    found = {table: sorted(map(str, app.store.rows(f"SELECT * FROM {table}"))) for table in TABLES}
    assert app.problems == []
    app.close()
    return found


def test_a_backup_comes_back_whole_in_a_new_place(made: Path, tmp_path: Path):
    told = backup(workspace(made), tmp_path / "b.tar.gz")
    assert told["problems"] == [] and told["files"] > 10
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o077 == 0
    again = restore(tmp_path / "b.tar.gz", tmp_path / "new")
    assert again["problems"] == [] and again["reviews"] == 2
    assert contents(tmp_path / "new") == contents(made)
    assert [path.name for path in (tmp_path / "new/drafts").iterdir()] == [
        p.name for p in (made / "drafts").iterdir()
    ]
    assert verify(workspace(tmp_path / "new")).ok


def test_it_is_taken_while_the_app_has_the_database_open(made: Path, tmp_path: Path):
    shutil.copytree(made, tmp_path / "ws")
    app = open_app(tmp_path / "ws")
    told = backup(app.folders, tmp_path / "b.tar.gz")
    app.close()
    assert told["problems"] == []
    assert restore(tmp_path / "b.tar.gz", tmp_path / "new")["datasets"] == 1


def test_nothing_is_written_over(made: Path, tmp_path: Path):
    (tmp_path / "b.tar.gz").write_bytes(b"an earlier one")
    with pytest.raises(ConfigError, match="is there already"):
        backup(workspace(made), tmp_path / "b.tar.gz")
    with pytest.raises(ConfigError, match="can't be written"):
        backup(workspace(made), tmp_path / "no-such-folder" / "b.tar.gz")
    backup(workspace(made), tmp_path / "c.tar.gz")
    with pytest.raises(ConfigError, match="holds something already"):
        restore(tmp_path / "c.tar.gz", made)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_damage_of_a_backup_is_silent_and_none_is_half_restored(made: Path, tmp_path: Path, seed: int):
    backup(workspace(made), tmp_path / "b.tar.gz")
    data, chance = bytearray((tmp_path / "b.tar.gz").read_bytes()), random.Random(seed)
    if seed % 2:
        data[chance.randrange(20, len(data) - 12)] ^= 1 << chance.randrange(8)
    else:
        del data[chance.randrange(len(data) - 1024) :]
    (tmp_path / "b.tar.gz").write_bytes(bytes(data))
    try:
        restore(tmp_path / "b.tar.gz", tmp_path / "new")
    except DataError:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.gz"]
    else:  # a bit that says nothing, such as the length of a code that no letter has
        assert contents(tmp_path / "new") == contents(made)


def test_a_file_that_would_land_elsewhere_is_refused(tmp_path: Path):
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as packed:
        packed.addfile(tarfile.TarInfo("../../evil"))
    with pytest.raises(DataError, match="no file of a workspace"):
        restore(tmp_path / "b.tar.gz", tmp_path / "new")


DAMAGE = {
    "a decision": ("decisions.jsonl", "damaged|missing|not follow|cut"),
    "a journal": ("runs/generate-*/journal-00001.jsonl", "damaged at|its end is missing"),
    "a version": ("datasets/*.parquet", "is not as it was frozen"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_damage_of_a_workspace_is_silent(made: Path, tmp_path: Path, kind: str, seed: int):
    shutil.copytree(made, tmp_path / "ws")
    pattern, says = DAMAGE[kind]
    [path] = (tmp_path / "ws").glob(pattern)
    data, chance = bytearray(path.read_bytes()), random.Random(seed)
    if seed % 2:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    else:
        del data[chance.randrange(len(data)) :]
    path.write_bytes(bytes(data))
    found = verify(workspace(tmp_path / "ws"))
    assert not found.ok
    assert any(part in finding for finding in found.findings for part in says.split("|")), found.findings


GONE = (
    "decisions.jsonl",
    "decisions.head.json",
    "runs/generate-*/journal-00001.jsonl",
    "runs/generate-*/config.json",
    "datasets/*.parquet",
)


@pytest.mark.parametrize("gone", GONE)
def test_a_file_that_is_gone_is_said(made: Path, tmp_path: Path, gone: str):
    shutil.copytree(made, tmp_path / "ws")
    [path] = (tmp_path / "ws").glob(gone)
    path.unlink()
    assert not verify(workspace(tmp_path / "ws")).ok


def test_verifying_changes_nothing_and_counts_what_it_saw(made: Path):
    def files() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in sorted(made.rglob("*")) if p.is_file() and ".duckdb" not in p.name}

    before = files()
    found = verify(workspace(made))
    assert found.ok, found.findings
    assert found.checked["versions"] == 1 and found.checked["journals"] >= 2 and found.checked["decisions"] >= 6
    assert files() == before


def test_runs_on_another_disk_are_packed_too(made: Path, tmp_path: Path):
    shutil.copytree(made, tmp_path / "ws")
    shutil.move(tmp_path / "ws" / "runs", tmp_path / "large disk")
    (tmp_path / "ws" / "runs").symlink_to(tmp_path / "large disk")
    (tmp_path / "large disk" / "again").symlink_to(tmp_path / "ws")  # a circle must end
    backup(workspace(tmp_path / "ws"), tmp_path / "b.tar.gz")
    again = restore(tmp_path / "b.tar.gz", tmp_path / "new")
    assert again["samples"] == 12 and again["problems"] == []


def test_a_backup_is_not_restored_over_a_file(made: Path, tmp_path: Path):
    backup(workspace(made), tmp_path / "b.tar.gz")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="holds something already"):
        restore(tmp_path / "b.tar.gz", tmp_path / "file")


@pytest.mark.parametrize("name", ["config.json", "status.json", "seals.json"])
@pytest.mark.parametrize("written", [b"{", b"null", b"[]", b""])
def test_a_damaged_file_of_a_run_is_found_and_hides_nothing_else(
    made: Path, tmp_path: Path, name: str, written: bytes
):
    shutil.copytree(made, tmp_path / "ws")
    run = next((tmp_path / "ws/runs").glob("generate-*"))
    (run / name).write_bytes(written)
    found = verify(workspace(tmp_path / "ws"))
    assert [finding for finding in found.findings if name in finding]
    if name == "seals.json":
        again = rebuild(tmp_path / "ws")
        assert again["samples"] == 12 and any(run.name in problem for problem in again["problems"])


@pytest.mark.parametrize("what", ["changed", "left out", "put in"])
def test_a_backup_that_was_packed_anew_is_held_to_its_list(made: Path, tmp_path: Path, what: str):
    """The checksums of the archive are right then; only the list of files tells."""
    backup(workspace(made), tmp_path / "b.tar.gz")
    with tarfile.open(tmp_path / "b.tar.gz") as packed:
        packed.extractall(tmp_path / "files", filter="data")
    log = tmp_path / "files" / "decisions.jsonl"
    if what == "changed":
        log.write_bytes(log.read_bytes() + b"\n")
    elif what == "left out":
        log.unlink()
    else:
        (tmp_path / "files" / "runs" / "more").write_text("x")
    with tarfile.open(tmp_path / "again.tar.gz", "w:gz") as packed:
        for path in sorted((tmp_path / "files").rglob("*")):
            if path.is_file():
                packed.add(path, arcname=str(path.relative_to(tmp_path / "files")))
    with pytest.raises(DataError, match="is not as it was packed"):
        restore(tmp_path / "again.tar.gz", tmp_path / "new")
