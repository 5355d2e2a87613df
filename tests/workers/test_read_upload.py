"""Uploads are read in a limited child; what can't be read is a sentence, and nothing is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdcore.configs.selection import EVERYTHING
from kdcore.errors import DataError
from kdcore.jobs.backends import local
from kdcore.services import governance, projects
from kdcore.services.datasets import versions
from kdcore.services.elicit import imports
from kdcore.services.workspace import App
from kdcore.store import samples


def read(app: App, path: Path, mapping=None):
    project = (
        projects.list_projects(app)[0]["project_id"]
        if projects.list_projects(app)
        else projects.create_project(app, "P")
    )
    run = imports.read_file(app, project, path, path.name, "question", mapping)
    status = app.wait(run.run_id, timeout_s=60)
    preview = run.path / "preview.json"
    return project, status, json.loads(preview.read_bytes()) if preview.exists() else None


def test_preview_then_import_then_again(app: App, tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("question,topic,level\nWhat?,Heart,easy\n,Heart,easy\nWhy?,Brain,hard\n")
    project, status, preview = read(app, path)
    assert status.state == "done"
    assert preview["columns"] == ["question", "topic", "level"]
    mapping = preview["files"][0]["mapping"]
    assert mapping == {"text": "question", "topic": "topic", "difficulty": "level"}
    for _ in range(2):  # a second import of the same file adds nothing
        _, status, preview = read(app, path, mapping)
    assert preview["imported"] == 2
    [rejected] = preview["rejected"]
    assert (rejected["row"], rejected["reason"]) == (3, 'the column "question" is empty')
    assert "Heart" in rejected["text"]
    seeds = projects.seeds(app, project)
    assert [(s["question"], s["topic"], s["difficulty"]) for s in seeds] == [
        ("Why?", "Brain", "hard"),
        ("What?", "Heart", "easy"),
    ]


def test_a_missing_column_is_named(app: App, tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("question\nWhat?\n")
    _, status, _ = read(app, path, {"text": "frage"})
    assert status.state == "failed"
    assert 'no column "frage" for text; it has: question' in status.message


def test_a_bomb_ends_the_child_only(app: App, tmp_path: Path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 2_000_000)
    _, status, _ = read(app, path)
    assert status.state == "failed"
    assert "no JSON" in status.message


def test_a_missing_file_is_a_sentence(app: App, tmp_path: Path):
    with pytest.raises(DataError, match="there is no file"):
        imports.read_file(app, "p", tmp_path / "none.csv", "none.csv")


def test_answers_that_are_there_already_become_samples(app: App, tmp_path: Path):
    project = projects.create_project(app, "P")
    talk = [{"from": "human", "value": "May I?"}, {"from": "gpt", "value": "You may."}]
    rows = [
        {"conversations": talk, "topic": "law"},
        {"conversations": talk[:1]},
        {"conversations": talk, "topic": "law"},
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    for _ in range(2):  # twice adds nothing
        run = imports.read_files(app, project, [(path, path.name)], "answered", store=True)
        assert app.wait(run.run_id, timeout_s=60).state == "done"
    found = imports.result(app, run.run_id)
    assert [(r["row"], r["reason"]) for r in found["rejected"]] == [
        (2, "it has no answer"),
        (3, "it is the same as row 1"),
    ]
    [sample] = samples.page(app.store, project, EVERYTHING)
    assert (sample["question"], sample["answer"], sample["status"], sample["topic"]) == (
        "May I?",
        "You may.",
        "parsed",
        "law",
    )
    assert (sample["teacher"], sample["terms"].split("@")[0]) == ("own answers", "own-answers")
    assert (sample["extra"]["file"], sample["extra"]["row"]) == ("answers.jsonl", 1)
    assert found["seeds"][0]["sample_id"] == sample["sample_id"]
    version = versions.freeze(app, project, "Mine", heldout_share=0)
    assert version["row_count"] == 1
    assert not governance.undecided_terms(app, project, [version["dataset_id"]])


def test_answers_of_a_named_model_stand_under_its_terms(app: App, tmp_path: Path):
    project = projects.create_project(app, "P")
    path = tmp_path / "a.csv"
    path.write_text("question,answer\nWhy?,So.\n")
    run = imports.read_files(app, project, [(path, path.name)], "answered", store=True, teacher="gpt-5")
    assert app.wait(run.run_id, timeout_s=60).state == "done"
    [sample] = samples.page(app.store, project, EVERYTHING)
    assert (sample["teacher"], sample["terms"].split("@")[0]) == ("gpt-5", "openai-api")


def test_several_files_and_a_folder_are_one_import(app: App, tmp_path: Path):
    folder = tmp_path / "contracts"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"The tenant of house {number} pays on the first day.")
    (folder / ".hidden").write_text("x")
    (folder / "picture.png").write_bytes(b"PNG")
    project = projects.create_project(app, "P")
    files = imports.expand([folder])
    run = imports.read_files(app, project, files, "document", store=True)
    assert app.wait(run.run_id, timeout_s=60).state == "done"
    found = imports.result(app, run.run_id)
    assert [(f["name"], f["imported"]) for f in found["files"]] == [
        ("0.txt", 1),
        ("1.txt", 1),
        ("2.txt", 1),
        ("picture.png", 0),
    ]
    assert "unknown kind" in found["rejected"][0]["reason"] and found["rejected"][0]["file"] == "picture.png"
    assert {seed["group"] for seed in projects.seeds(app, project, kind="document")} == {"0", "1", "2"}


def test_what_a_person_left_out_or_cut_anew_is_kept_so(app: App, tmp_path: Path):
    project = projects.create_project(app, "P")
    path = tmp_path / "a.txt"
    path.write_text("Why?\nHow?\nWho?\n")
    look = imports.read_files(app, project, [(path, "a.txt")])
    assert app.wait(look.run_id, timeout_s=60).state == "done"
    imports.edit(app, look.run_id, {0: ()})
    imports.edit(app, look.run_id, {0: None, 1: (), 2: ("Who pays?", "Who else?")})
    run = imports.store_previewed(app, look.run_id, {"text": "text"})
    assert app.wait(run.run_id, timeout_s=60).state == "done"
    assert {seed["question"] for seed in projects.seeds(app, project)} == {"Why?", "Who pays?", "Who else?"}


def test_the_reader_of_files_has_no_network_and_still_writes():
    code = """
import os, socket, tempfile
from kdcore.workers.confined import cut_off
if not cut_off():
    print("not granted")
else:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=2)
    except OSError as exc:
        print(type(exc).__name__, exc.errno)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() in ("OSError 101", "not granted"), done.stderr  # ENETUNREACH: not even this machine


def test_the_reader_of_files_sees_its_run_and_nothing_else_of_the_workspace(tmp_path):
    """Another upload, another run, the log and the home folder are shut; its libraries and its own folder are not."""
    mine, other = tmp_path / "ws/runs/mine", tmp_path / "ws/runs/other"
    for folder in (mine, other, tmp_path / "ws/inbox"):
        folder.mkdir(parents=True)
    for name in ("runs/other/journal.jsonl", "inbox/mine.csv", "inbox/other.csv", "decisions.jsonl"):
        (tmp_path / "ws" / name).write_text("text")
    code = f"""
import os
from pathlib import Path
from kdcore.workers.confined import see_only
root, mine = Path({str(tmp_path / "ws")!r}), Path({str(mine)!r})
if not see_only([root / "inbox/mine.csv"], [mine], away_from=root):
    print("not granted")
    raise SystemExit
def tried(act):
    try:
        act()
        return "yes"
    except PermissionError:
        return "no"
def write():
    (mine / "scratch").mkdir()
    (mine / "scratch/a").write_text("x")
    os.replace(mine / "scratch/a", mine / "b")
print(tried((root / "inbox/mine.csv").read_text), tried(write), tried(lambda: __import__("openpyxl")), end=" | ")
for path in ("inbox/other.csv", "runs/other/journal.jsonl", "decisions.jsonl"):
    print(tried((root / path).read_text), end=" ")
for path in ("inbox/mine.csv", "new"):
    print(tried(lambda: (root / path).write_text("x")), end=" ")
for folder in (root, Path.home()):
    print(tried(lambda: os.listdir(folder)), end=" ")
print("no" if os.system(f"ls {{root}} 2>/dev/null") else "yes")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() in ("yes yes yes | no no no no no no no no", "not granted"), done


def test_the_reader_of_files_is_given_no_key(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_API_KEY", "canary-7f3a")
    assert "SECRET_API_KEY" not in local._inherited("read_upload") and "PATH" in local._inherited("read_upload")
    assert local._inherited("generate")["SECRET_API_KEY"] == "canary-7f3a", "an endpoint's key is what that one needs"
    path = tmp_path / "a.txt"
    path.write_text("Why?\n")
    _, status, _ = read(app, path)
    assert status.state == "done"


@pytest.mark.parametrize("confined", [False, True])
def test_the_reader_of_files_sees_no_key_of_another_process(tmp_path, confined):
    """What a process was started with stands in ``/proc``; Landlock shuts that of others, the same account or not."""
    code = f"""
import sys
from pathlib import Path
from kdcore.workers.confined import see_only
granted = {confined} and see_only([], [], away_from=Path({str(tmp_path)!r}))
try:
    print(granted, b"canary" in Path(f"/proc/{{sys.argv[1]}}/environ").read_bytes())
except PermissionError:
    print(granted, "refused")
"""
    secret = {**os.environ, "SECRET_API_KEY": "canary-7f3a"}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=secret, stdin=subprocess.PIPE) as other:
        command = [sys.executable, "-c", code, str(other.pid)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        other.communicate(b"\n")
    assert done.stdout.split() in (["False", "True"], ["True", "refused"]), done
