"""Each guard taken out once: a test must notice. ``make test-long``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# what the guard keeps → file, its line, what stands in its place, and the tests that must fail
MUTANTS = {
    "the allow-list of system calls": (
        "elicitation/sandbox_child.py",
        "if not shut(machine)",
        "if not machine",
        "elicitation/test_sandbox.py",
    ),
    "namespaces around a program": (
        "elicitation/sandbox_child.py",
        "    part_from_the_world(machine)\n",
        "",
        "elicitation/test_sandbox.py",
    ),
    "methods stay off where programs can't be shut off": (
        "elicitation/sandbox.py",
        'if tried == CodeResult("True")',
        "if True",
        "elicitation/test_sandbox.py",
    ),
    "an empty environment": ("elicitation/sandbox.py", "env={},", "env=None,", "elicitation/test_sandbox.py"),
    "programs of a file wait for a yes": (
        "services/generate/runs.py",
        "    programs.refuse_unread(app, project_id, method, prepared.requests)\n",
        "",
        "services/elicit/test_programs.py",
    ),
    "the gate at the launch": (
        "services/workspace.py",
        "        zones.pass_gate(self.store, run)\n",
        "",
        "services/test_zones.py",
    ),
    "marking stops what is under way": (
        "services/governance.py",
        "        _stop_what_leaves(app, project_id)\n",
        "        pass\n",
        "services/test_zones.py",
    ),
    "the worker looks before it begins": (
        "teacher/openai_http.py",
        "        refuse_unpermitted(config, self._leave)\n",
        "",
        "services/test_zones.py",
    ),
    "the worker looks before each call": (
        "teacher/openai_http.py",
        "        refuse_unpermitted(self._config, self._leave)\n",
        "",
        "workers/test_endpoint.py",
    ),
    "a key is taken out": (
        "teacher/openai_http.py",
        "        text = without_secret(text, self._key)\n",
        "",
        "workers/test_endpoint.py",
    ),
    "the address that was checked is called": (
        "teacher/endpoint_guard.py",
        "request.url = request.url.copy_with(host=self._address)",
        "pass",
        "workers/test_endpoint.py",
    ),
    "a deadline of the whole answer": (
        "teacher/openai_http.py",
        "asyncio.timeout(self._config.timeout_s)",
        "asyncio.timeout(None)",
        "workers/test_endpoint.py",
    ),
    "a size of the whole answer": (
        "teacher/openai_http.py",
        "if size > MOST_BYTES:",
        "if False:",
        "workers/test_endpoint.py",
    ),
    "no private network unlisted": (
        "teacher/endpoint_guard.py",
        "and not is_listed:",
        "and False:",
        "workers/test_endpoint.py",
    ),
    "no keys of clouds": (
        "teacher/endpoint_guard.py",
        "return plain or address in METADATA",
        "return plain",
        "workers/test_endpoint.py",
    ),
    "a server for this machine alone": (
        "ui/server.py",
        "if not _is_loopback(address) and",
        "if False and",
        "ui/test_server.py",
    ),
    "a stale decision is a conflict": (
        "services/review/decisions.py",
        "if seen and revision(now) != seen",
        "if False",
        "services/review",
    ),
    "conflicts are looked for while nobody else decides": (
        "services/workspace.py",
        "        self._decided.decide(decision, refuse)\n",
        "        refuse()\n        __import__('time').sleep(0.002)\n        self._decided.decide(decision)\n",
        "services/review",
    ),
    "names are given once": (
        "services/projects.py",
        "    with app.naming:\n        if any(",
        "    if True:\n        if any(",
        "services/test_projects.py",
    ),
    "another process of the same number": (
        "jobs/processes.py",
        "or identity(pid) != known",
        "",
        "jobs/test_processes.py",
    ),
    "only what carries the mark is ended": (
        "jobs/processes.py",
        "return process.environ().get(MARK) == mark",
        "return True",
        "jobs/test_processes.py",
    ),
    "an overtaken attempt ends itself": ("jobs/reporter.py", "os._exit(75)", "pass", "jobs/test_guards.py"),
    "a decision is written through": (
        "store/engine/decisions.py",
        "                os.fsync(file.fileno())\n",
        "",
        "jobs/test_guards.py",
    ),
    "a journal is written through": (
        "jobs/reporter.py",
        "                os.fsync(file.fileno())\n",
        "",
        "jobs/test_guards.py",
    ),
    "a file is replaced as a whole": (
        "jobs/run_dir.py",
        'with temporary.open("wb") as file:',
        'with path.open("wb") as file:',
        "jobs/test_guards.py",
    ),
    "a full disk is told to the worker": ("jobs/reporter.py", "self._failure = exc", "pass", "jobs/test_guards.py"),
    "the reader of files is bounded": (
        "workers/confined.py",
        "resource.setrlimit(what, (bound, hard))",
        "pass",
        "jobs/test_guards.py",
    ),
    "a query is bounded": (
        "store/engine/sql_child.py",
        "    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))\n",
        "",
        "jobs/test_guards.py",
    ),
    "the log before the database": (
        "store/engine/decided.py",
        "                entry = self._log.append(decision)\n",
        "                from kdcore.store.engine.decisions import Entry\n"
        "                self._apply([Entry(self._log.head.number + 1, 'x', decision, 0)])\n"
        "                entry = self._log.append(decision)\n",
        "store/test_decided.py",
    ),
    "a head that is gone is said": (
        "store/engine/decisions.py",
        "if acknowledged is None and not problem and numbered > 1:",
        "if False:",
        "store/test_decisions.py",
    ),
    "a frozen file against its sha256": (
        "services/verify.py",
        "elif (known := known_sha256(folders, version)) and",
        "elif (known := known_sha256(folders, version)) and False and",
        "services/test_backup.py",
    ),
    "a backup against its list": (
        "services/backup.py",
        "    if wrong := sorted(",
        "    if False and sorted(",
        "services/test_backup.py",
    ),
    "no letter is swallowed": (
        "ui/safe_html.py",
        "if _letters(shown) != _letters(_as_text(rendered)) or _depth(rendered) > DEEPEST:",
        "if False:",
        "ui/test_safe_html.py",
    ),
    "filters of links are bounded": (
        "configs/selection.py",
        "if len(parts) > MOST_PARTS or",
        "if False and len(parts) > MOST_PARTS or",
        "services/test_projects.py",
    ),
    "another log is not gone on with": (
        "store/engine/decided.py",
        "            self._refuse_fork()\n",
        "",
        "services/test_verify.py",
    ),
    "nothing of another log is mixed in": (
        "store/engine/decided.py",
        "if entry.number < (self._fork or 0)",
        "if True",
        "services/test_verify.py",
    ),
    "a state that turned is no state": (
        "jobs/run_dir.py",
        "if fields.pop(CHECK) != check_of(fields):",
        "if fields.pop(CHECK) is None:",
        "services/test_verify.py",
    ),
    "a row behind the end of its run is none": (
        "jobs/soundness.py",
        "if isinstance(line, BadLine) or written < 0 or line.offset < written:",
        "if True:",
        "services/test_verify.py",
    ),
    "a reader sees no other file": (
        "workers/confined.py",
        "not libc.syscall(RESTRICT, ruleset, 0)",
        "True",
        "workers/test_read_upload.py",
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The project, to be damaged."""
    root = tmp_path_factory.mktemp("mutant")
    for name in ("kdcore", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("data", "pages", "docs", ".streamlit", "app.py", "pyproject.toml", "README.md"):
        (root / name).symlink_to(ROOT / name)
    return root


@pytest.mark.long
@pytest.mark.parametrize("name", MUTANTS)
def test_a_guard_that_is_taken_out_is_noticed(copy: Path, name: str):
    file, guard, instead, tests = MUTANTS[name]
    path = copy / "kdcore" / file
    whole = path.read_text()
    assert whole.count(guard) == 1, "the guard has moved: name it anew"
    path.write_text(whole.replace(guard, instead))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(copy / "tests" / tests)],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=600,
        )
    finally:
        path.write_text(whole)
    assert done.returncode == 1, f"nobody noticed: {done.stdout[-2000:]}"
    assert "FAILURES" in done.stdout, done.stdout[-2000:]
