"""Pages of a server that may not show a workspace, or can't open it."""

from streamlit.testing.v1 import AppTest

from kdcore import resources
from kdcore.ui import frame, server


def test_every_page_refuses_before_it_opens_the_workspace(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_WORKSPACE", str(tmp_path / "ws"))
    monkeypatch.setattr(server, "_is_loopback", lambda address: False)
    for page in sorted((resources.HOME / "pages").glob("*.py")):
        test = AppTest.from_file(str(page)).run(timeout=30)
        assert ["anybody in the network" in error.value for error in test.error] == [True], page
    assert not (tmp_path / "ws").exists()


def test_a_database_that_cant_be_opened_gives_the_steps_to_take(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_WORKSPACE", str(tmp_path / "ws"))
    monkeypatch.setattr(frame, "open_app", lambda root: (_ for _ in ()).throw(RuntimeError("bad page 7")))
    test = AppTest.from_file(str(resources.HOME / "pages/3_Explore.py")).run(timeout=30)
    assert not test.exception and len(test.error) == 1
    assert "can't be opened (RuntimeError)" in test.error[0].value
    assert any("kd rebuild" in each.value for each in test.markdown)
