"""Where a reward model is wrong: the surest mistakes first."""

import json

from kdcore.services.distill import reward_model
from kdcore.services.workspace import App


def test_pairs_come_with_their_margin_and_the_surest_mistake_first(app: App):
    run = app.create_run("distill", {})
    assert reward_model.margins(app, run.run_id) == []
    scores = {"right": (2.0, 1.0), "wrong": (0.5, 1.0), "very wrong": (-1.0, 3.0), "equal": (1.0, 1.0)}
    pairs = [{"sample_id": name, "chosen": a, "rejected": b} for name, (a, b) in scores.items()]
    (run.path / "margins.json").write_text(json.dumps(pairs))
    found = reward_model.margins(app, run.run_id)
    assert [pair["margin"] for pair in found] == [-4.0, -0.5, 0.0, 1.0]
    wrong = reward_model.wrong(app, found, limit=2)
    assert [pair["sample_id"] for pair in wrong] == ["very wrong", "wrong"]
    assert wrong[0]["question"] is None, "its sample is not in this workspace, and that breaks nothing"
