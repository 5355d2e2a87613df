"""Panels of the Elicit page about what comes in: files with a preview and roles, and what may be shared."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st

from kdcore.configs.uploads import PASSAGE_TOKENS, ROLES, ReadingConfig, SeedKind, UploadConfig
from kdcore.errors import KdError
from kdcore.services import governance, zones
from kdcore.services.elicit import imports
from kdcore.services.workspace import App
from kdcore.types import TERMINAL_STATES
from kdcore.ui import live, state
from kdcore.ui.elicit import passages
from kdcore.ui.labels import counted, escape, sentence

KINDS: dict[SeedKind, str] = {
    "question": "Questions",
    "document": "Documents, cut into passages",
    "answered": "Questions with answers",
}
ROLE_NAMES = {"text": "Question", "answer": "Answer", "rationale": "Reasoning", "source": "Source passage"}
DELIMITERS = {"": "found out", ",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
ENCODINGS = ("", "utf-8", "cp1252", "utf-16", "iso8859_15", "cp1250", "cp1251", "shift_jis", "gb18030", "mac_roman")
AT_ONCE_S = 1.5  # an import that takes no longer needs no bar
FEW = 5  # rows that a table shows without a bar
MAX_FILES = 12  # of which is told one by one
MAX_PASSAGES = 5000  # that can be read before an import
LARGE = 20 * 2**20  # bytes, from which on only the beginning of a file is looked at before the import
LOOKED_AT = 5000  # rows of it
SHAPES = {
    "sharegpt": "talks in ShareGPT's form",
    "messages": "chats in OpenAI's form",
    "alpaca": "instructions in Alpaca's form",
    "preference": "pairs of a better and a worse answer",
    "prompt_completion": "prompts with completions",
    "question_answer": "questions with answers",
    "passages": "passages",
    "table": "a table",
}


def upload(app: App, project_id: str) -> None:
    """Choose files, look at what they hold, say which column is what, import. The link reopens the preview."""
    kind: SeedKind = (
        st.segmented_control(
            "What is in the files?", list(KINDS), format_func=KINDS.__getitem__, default="question", required=True
        )
        or "question"
    )  # pyright: ignore[reportAssignmentType]
    files = st.file_uploader(
        "Files",
        accept_multiple_files=True,
        help="Tables (CSV, Excel, JSON, Parquet), documents (Word, PDF, HTML, XML, text), also in a ZIP; 200 MB each",
        key=state.own("elicit.file"),
    )
    if files:
        reading = _reading(kind)
        key = f"{project_id}-{[f.file_id for f in files]}-{kind}-{reading.model_dump_json()}"
        mine = state.of_project()
        if mine.get("elicit.upload_key") != key:
            mine["elicit.upload_key"] = key
            mine.pop("elicit.import_run", None)
            state.set_params(upload=_read(app, project_id, files, kind, reading), passages=None)
    run_id = state.param("upload")
    if run_id and app.run_dir(run_id).config().get("project_id") == project_id:
        _watch(app, run_id, lambda: _look(app, run_id, app.run_dir(run_id).load(UploadConfig).seed_kind))


def _reading(kind: SeedKind) -> ReadingConfig:
    """What a person may say where it was found out wrongly."""
    with st.expander("How the files are read", icon=":material/tune:"), st.container(horizontal=True):
        if kind == "document":
            size = st.number_input("Longest passage (tokens)", 40, 8000, PASSAGE_TOKENS, step=50)
            overlap = st.number_input("Repeated of the one before (tokens)", 0, 2000, 0, step=10)
            return ReadingConfig(passage_tokens=int(size), overlap_tokens=int(overlap))
        encoding = st.selectbox("Encoding", ENCODINGS, format_func=lambda name: name or "found out")
        delimiter = st.selectbox("Columns are parted by", list(DELIMITERS), format_func=DELIMITERS.__getitem__)
        header = st.number_input("Row of the column names", 0, 1000, None, placeholder="found out", help="0 for none")
        sheet = st.text_input("Sheet", placeholder="the first with a table")
    return ReadingConfig(
        encoding=encoding or "",
        delimiter=delimiter or "",
        header_row=None if header is None else int(header),
        sheet=sheet,
    )


def _read(app: App, project_id: str, files: Sequence[Any], kind: SeedKind, reading: ReadingConfig) -> str:
    most = LOOKED_AT if sum(file.size for file in files) > LARGE else 0
    with tempfile.TemporaryDirectory() as folder:
        given: list[tuple[Path, str]] = []
        for number, file in enumerate(files):
            path = Path(folder) / f"{number}-{Path(file.name).name}"
            path.write_bytes(file.getbuffer())
            given.append((path, file.name))
        shown = MAX_PASSAGES if kind == "document" else 20
        return imports.read_files(app, project_id, given, kind, reading=reading, most=most, shown=shown).run_id


def _watch(app: App, run_id: str, done: Callable[[], None]) -> None:
    """A reader at work as a bar, then what it found; or why it ended without."""

    @st.fragment(run_every=None if app.status(run_id).state in TERMINAL_STATES else 0.7)
    def panel() -> None:
        status = app.status(run_id)
        live.rerun_when_ended(run_id, status)
        if status.state not in TERMINAL_STATES:
            live.status_line(run_id, status)
        elif status.state == "done":
            done()
        else:
            st.error(escape(status.message or status.state), icon=":material/error:")

    panel()


def _look(app: App, run_id: str, kind: SeedKind) -> None:
    found = imports.result(app, run_id)
    for file in found["files"][:MAX_FILES]:
        _told(file)
    if len(found["files"]) > MAX_FILES:
        st.caption(f"and {counted(len(found['files']) - MAX_FILES, 'more file')}")
    if kind == "document" and found["seeds"]:
        passages.reader(app, run_id, found["seeds"])
    else:
        st.caption(
            "As it will be kept:"
            if len(found["seeds"]) == 1
            else f"As they will be kept, the first {len(found['seeds'])}:"
        )
        shown = found["seeds"] or found["rows"]
        st.dataframe(shown, hide_index=True, height=220 if len(shown) > FEW else "content")
    _roles(app, kind, run_id, found)
    done = state.of_project().get("elicit.import_run")
    if done:
        _watch(app, done, lambda: _imported(app, done))
        found = imports.result(app, done) if app.status(done).state == "done" else found
    if found["rejected"]:
        with st.expander(f"{counted(found['rejected_count'], 'row')} can't be used", icon=":material/error:"):
            st.dataframe(found["rejected"], hide_index=True)


def _told(file: dict[str, Any]) -> None:
    """What was found out of one file, in a line; what was guessed or left out below it."""
    parts = [f"{'the first ' if file['more'] else ''}{counted(file['rows'], 'row')}", SHAPES.get(file["shape"], "")]
    parts += [file["encoding"], DELIMITERS.get(file["delimiter"], "") if file["delimiter"] else ""]
    parts += [
        f"sheet {file['sheet']}" if file["sheet"] else "",
        f"names in row {file['header_row']}" if file["header_row"] else "",
    ]
    st.markdown(f"**{escape(file['name'])}** · {escape(' · '.join(part for part in parts if part))}")
    for warning in file["warnings"][:6]:
        st.caption(f":material/info: {sentence(warning)}")
    if len(file["warnings"]) > 6:
        st.caption(f"and {len(file['warnings']) - 6} more like these")


def _roles(app: App, kind: SeedKind, run_id: str, found: dict[str, Any]) -> None:
    """One select box a role; a known shape needs none."""
    guess: dict[str, str] = {role: column for file in found["files"] for role, column in file["mapping"].items()}
    known = any(file["shape"] not in ("table", "question_answer", "passages", "") for file in found["files"])
    with st.form(f"mapping-{run_id}", border=True):
        st.caption(
            "The form of the file says what is asked and what was answered; the columns beside it may be named."
            if known
            else f"{counted(found['row_count'], 'row')}. Which column is what?"
        )
        roles = [role for role in ROLES if not known or role not in ("text", "answer", "rationale", "source")]
        places = st.columns(5)
        chosen = {
            role: places[number % 5].selectbox(
                ROLE_NAMES.get(role, role.capitalize()) if kind != "document" or role != "text" else "Passage",
                ["", *found["columns"]],
                index=(found["columns"].index(guess[role]) + 1) if guess.get(role) in found["columns"] else 0,
                key=f"role-{run_id}-{role}",
            )
            for number, role in enumerate(roles)
        }
        teacher = ""
        if kind == "answered":
            teacher = st.text_input(
                "Who wrote the answers", placeholder="people; or the name of a model, whose terms then hold"
            )
        if st.form_submit_button("Import", type="primary", icon=":material/upload:"):
            mapping = {role: column or "" for role, column in chosen.items() if column or role in guess}
            done = imports.store_previewed(app, run_id, mapping, teacher or "").run_id
            state.of_project()["elicit.import_run"] = done
            with suppress(KdError):  # a longer one is watched
                app.wait(done, timeout_s=AT_ONCE_S)
            st.rerun()


def _imported(app: App, run_id: str) -> None:
    result = imports.result(app, run_id)
    new = imports.new_rows(app, run_id)
    before = result["imported"] - new
    known = f", {before:,} {'was' if before == 1 else 'were'} there already" if before > 0 else ""
    what = "answer" if app.run_dir(run_id).load(UploadConfig).seed_kind == "answered" else "seed"
    st.success(f"{counted(new, what)} imported{known}.", icon=":material/check:")


def data_class(app: App, project_id: str) -> None:
    """What kind of text this project holds, and the agreement that lets it leave this machine."""
    held = governance.policy(app, project_id)
    with st.form("data-class", border=False):
        options = list(governance.DATA_CLASSES)
        chosen = st.selectbox(
            "This project holds",
            options,
            index=options.index(held["data_class"]),
            format_func=zones.WORDS.__getitem__,
            help="Health data and privileged text are read by a teacher on this machine only.",
        )
        contract = st.text_input(
            "Agreement with the endpoint", value=held["contract"], help="Such as the number of a BAA or DPA"
        )
        if st.form_submit_button("Keep", icon=":material/save:"):
            governance.set_data_class(app, project_id, chosen, contract or "")
            st.toast("Kept.")
