"""Every method on scripted replies: what it asks, what it makes of the answers, and the reason of each loss."""

import json
from dataclasses import replace

import pytest

from kdcore.configs.teacher import Call
from kdcore.elicitation import METHODS
from kdcore.elicitation.recipes import RECIPES, with_all_methods
from kdcore.elicitation.schedule import drive
from kdcore.types import Reply, Request

PASSAGE = "The kidneys filter the blood and send waste into the urine. Two kidneys lie below the ribs."


def request(**variables) -> Request:
    values = {"question": "What does the kidney do?", "source": "", "topic": "", **variables}
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": values["question"] or "Go."}]
    return Request("rq", "sd", "pv", messages, values)


def run(name: str, said, config: dict | None = None, **variables):
    """``(rows, calls)`` of one method; ``said`` is a list of replies in order, or a function of the call."""
    calls: list[Call] = []
    left = list(said) if isinstance(said, list) else None

    def teacher(call: Call) -> list[Reply]:
        calls.append(call)
        now = left.pop(0) if left is not None else said(call)
        texts = now if isinstance(now, list) else [now] * call.sampling.n
        return [Reply(call.call_id, n, text, "stop") for n, text in enumerate(texts)]

    [outcome] = drive(METHODS[name], [request(**variables)], config or {}, teacher)
    return outcome.rows, calls


def only(name: str, said, config: dict | None = None, **variables):
    rows, _ = run(name, said, config, **variables)
    assert len(rows) == 1
    return rows[0]


# ---- labeling ---------------------------------------------------------------------------------------
def test_program_of_thought_runs_the_code():
    row = only("program_of_thought", ["```python\nprint(6 * 7)\n```"], gold="42")
    assert (row.status, row.answer, row.extra["agrees_with_gold"]) == ("parsed", "The answer is 42.", True)
    assert "ZeroDivisionError" in only("program_of_thought", ["```python\n1/0\n```"]).reason
    assert "no code block" in only("program_of_thought", ["forty-two"]).reason


def test_labels_must_be_known_and_explained():
    config = {"labels": ["Urgent", "Routine"]}
    row = only("label_and_explain", ["Label: urgent.\nWhy: chest pain."], config, gold="Urgent")
    assert (row.answer, row.rationale, row.extra["agrees_with_gold"]) == ("Urgent", "chest pain.", True)
    assert "none of" in only("label_and_explain", ["Label: maybe\nWhy: x"], config).reason
    assert "no explanation" in only("label_and_explain", ["Label: Routine"], config).reason


def test_a_system_sweep_has_a_row_for_each_voice():
    rows, calls = run("system_sweep", lambda c: c.messages[0]["content"], {"systems": ["A!", "B!"], "erase": True})
    assert [r.extra["system"] for r in rows] == ["A!", "B!"]
    assert [c.messages[0]["content"] for c in calls] == ["Be brief.\nA!", "Be brief.\nB!"]
    assert all(m["role"] != "system" for r in rows for m in r.messages)


def test_votes_keep_the_majority():
    said = ["Reasoning: a\nAnswer: 12", "Reasoning: b\nAnswer: It is 12.", "Reasoning: c\nAnswer: 13"]
    row = only("self_consistency", [said], {"votes": 3})
    assert (row.status, row.answer, row.extra["share"]) == ("parsed", "12", 0.667)
    assert "not clear" in only("self_consistency", [said], {"votes": 3, "min_share": 0.9}).reason
    rows, _ = run("majority_vote", [said], {"votes": 3})
    assert [r.status for r in rows] == ["parsed", "parsed", "unparsed"]
    assert "majority" in rows[2].reason


def test_a_retrieval_answer_cites_the_right_passage():
    ok = run("retrieval_answer", lambda c: "They filter [1].", {"distractors": 0}, source=PASSAGE)[0][0]
    assert ok.status == "parsed"
    assert PASSAGE in ok.messages[-1]["content"]
    assert "names no passage" in only("retrieval_answer", ["They filter."], {"distractors": 0}, source=PASSAGE).reason
    assert "were shown" in only("retrieval_answer", ["So [7]."], {"distractors": 0}, source=PASSAGE).reason


def test_a_summary_may_not_invent():
    good = only("faithful_summary", ["Kidneys filter the blood."], source=PASSAGE)
    assert good.status == "parsed"
    assert (
        "not in the text: 45" in only("faithful_summary", ["Kidneys filter 45 blood waste."], source=PASSAGE).reason
    )
    assert "no summary" in only("faithful_summary", [PASSAGE], source=PASSAGE).reason


def test_code_is_kept_when_its_tests_pass_and_mended_when_not():
    bad, good = "```python\ndef f(x): return x\n```", "```python\ndef f(x): return x + 1\n```"
    row = only("code_with_tests", [bad, good], {"tests": "assert f(1) == 2"})
    assert (row.status, row.extra["repairs"]) == ("parsed", 1)
    assert "tests fail" in only("code_with_tests", [bad, bad], {"tests": "assert f(1) == 2"}).reason


def test_a_tool_call_must_fit_its_schema():
    call = {"name": "search_reference", "arguments": {"term": "kidney", "field": "medicine"}}
    rows, calls = run(
        "tool_use", [json.dumps(call), "A kidney filters blood.", "It filters blood."], {"max_calls": 1}
    )
    assert rows[0].status == "parsed"
    assert rows[0].extra["trajectory"] == [{"call": call, "observation": "A kidney filters blood."}]
    assert calls[0].schema is not None
    assert "no tool" in only("tool_use", ['{"name": "launch"}']).reason
    assert "do not fit" in only("tool_use", ['{"name": "search_reference", "arguments": {"term": 3}}']).reason


# ---- expansion --------------------------------------------------------------------------------------
def test_self_instruct_keeps_only_the_new_and_branches_on_classification():
    def teacher(call):
        text = call.messages[-1]["content"]
        if "Write 2 new questions" in text:
            return "1. What does the kidney do?\n2. How does the liver store sugar for later?"
        if "fixed labels" in text:
            return "Yes"
        return "An answer."

    rows, calls = run("self_instruct", teacher, {"per_request": 2, "classification": True})
    # drive has an empty pool: the first question is new there, the same one again is not
    assert [r.status for r in rows] == ["parsed", "parsed"]
    assert all(r.extra["classification"] for r in rows)
    assert "First name the possible labels" in calls[-1].messages[-1]["content"]
    twice, _ = run("self_instruct", lambda c: "1. How is urine made here?\n2. How is urine made here?")
    assert [r.status for r in twice] == ["unparsed", "parsed"]
    assert "not new" in twice[0].reason


def test_evolution_keeps_its_tree_and_its_failures():
    grown = iter(["What does a failing kidney do to the blood?", "What does a failing kidney do to the blood?"])

    def teacher(call):
        return next(grown) if "Given question" in call.messages[-1]["content"] else "It filters."

    rows, _ = run("evol_instruct", teacher, {"rounds": 2})
    assert [(r.status, r.parent, r.extra["round"]) for r in rows] == [("parsed", None, 1), ("unparsed", 0, 2)]
    assert "changed nothing" in rows[1].reason
    assert rows[0].messages[-1]["content"] == rows[0].question
    copied = run("evol_instruct", lambda c: "#Prompt: given question", {"rounds": 1})[0][0]
    assert "repeats words of the prompt" in copied.reason


def test_paraphrases_share_one_answer():
    said = ["1. Tell me the job of a kidney.\n2. What does the kidney do?", "It filters."]
    rows, _ = run("paraphrase", said, {"paraphrases": 2})
    assert [(r.status, r.answer) for r in rows] == [("parsed", "It filters."), ("unparsed", "")]
    kept, calls = run("paraphrase", said[:1], {"paraphrases": 1}, answer="Given.")
    assert (kept[0].answer, len(calls)) == ("Given.", 1)


def test_fusion_needs_two_questions():
    assert "no second question" in only("instruction_fusion", []).reason


def test_subgroups_and_harder_questions_remember_the_failure():
    rows, _ = run("subgroup_expansion", ["1. Where is the liver?", "Right."], answer="wrong", sample_id="sm_1")
    assert rows[0].extra["failing_sample"] == "sm_1"
    row = only("harder_prompt", ["Which drugs harm a failing kidney?", "Some."], answer="x", sample_id="sm_1")
    assert (row.status, row.extra["about"]) == ("parsed", "sm_1")


# ---- curation ---------------------------------------------------------------------------------------
def test_a_topic_tree_fills_every_leaf():
    def teacher(call):
        text = call.messages[-1]["content"]
        if text.startswith("Name 2 subtopics"):
            return "1. Stones\n2. Failure"
        if text.startswith("Write 1 different"):
            return f"1. {text.split('about ')[1]}"
        return "An answer."

    config = {"subtopics": 2, "difficulties": ["basic", "advanced"], "readers": ["nurse"], "max_similarity": 1.0}
    rows, _ = run("topic_tree", teacher, config, topic="Kidney")
    assert {(r.extra["subtopic"], r.labels["difficulty"]) for r in rows} == {
        (s, d) for s in ("Stones", "Failure") for d in ("basic", "advanced")
    }
    assert {r.labels["reader"] for r in rows} == {"nurse"}


def test_grounded_answers_lean_on_the_passage():
    good = only(
        "document_grounded", ["Question: What filters?\nAnswer: The kidneys filter the blood."], source=PASSAGE
    )
    assert (good.status, good.question) == ("parsed", "What filters?")
    assert good.messages[-1]["content"].startswith(PASSAGE)
    bad = only("document_grounded", ["Question: Who?\nAnswer: Napoleon crossed several mountains."], source=PASSAGE)
    assert "of the answer's words" in bad.reason
    assert 'begins with "Answer:"' in only("document_grounded", ["Question: Who?"], source=PASSAGE).reason


def test_lessons_have_exercises():
    rows, _ = run("textbook", ["A lesson.", "1. Draw a kidney.\n2. Name it.", "So.", "Kidney."])
    assert [(r.extra["part"], r.parent) for r in rows] == [("lesson", None), ("exercise", 0), ("exercise", 0)]


def test_an_article_becomes_turns():
    said = "Intro\nStudent: What?\nExpert: The kidney.\n**Student:** Why?\nExpert: To filter.\nStudent: Thanks"
    row = only("article_to_dialogue", [said], source=PASSAGE)
    assert [t["role"] for t in row.extra["turns"]] == ["user", "assistant", "user", "assistant"]
    assert (row.answer, len(row.messages)) == ("To filter.", 3)
    assert "at least 2" in only("article_to_dialogue", ["Student: a\nExpert: b"], source=PASSAGE).reason


def test_a_dialogue_changes_sides_and_stops():
    rows, calls = run("dialogue", ["It filters.", "And if it fails?", "Then dialysis.", "Goodbye!"], {"turns": 5})
    row = rows[0]
    assert row.extra["ended"] == "the asker had no more to ask"
    assert [t["content"] for t in row.extra["turns"]][-1] == "Then dialysis."
    assert calls[1].messages[0]["content"].startswith("You play")
    assert calls[1].messages[-1] == {"role": "user", "content": "It filters."}
    assert row.messages[0]["role"] == "system"


def test_queries_answer_with_their_passage():
    rows, _ = run("pseudo_query", ["1. kidney function\n2. what filters blood"], source=PASSAGE)
    assert {(r.answer, r.status) for r in rows} == {(PASSAGE, "parsed")}


# ---- feedback ---------------------------------------------------------------------------------------
def test_a_rubric_scores_every_aspect():
    good = '{"accuracy": 4, "helpfulness": 2, "clarity": 5, "reason": "fine"}'
    row = only("rubric", [good], answer="It filters.", sample_id="sm_1")
    assert row.extra["scores"] == {"accuracy": 4, "helpfulness": 2, "clarity": 5}
    assert [v["passed"] for v in row.extra["verdicts"]] == [True, False, True]
    assert 'score from 1 to 5 for "clarity"' in only("rubric", ['{"accuracy": 4, "helpfulness": 2}']).reason


def test_a_verdict_must_survive_the_swap():
    answers = json.dumps(["short", "long and right"])
    stable = only("pairwise", ['{"better": "B"}', '{"better": "A"}'], answers=answers)
    assert (stable.extra["chosen"], stable.extra["rejected"]) == ("long and right", "short")
    flips = only("pairwise", ['{"better": "A"}', '{"better": "A"}'], answers=answers)
    assert "both orders" in flips.reason
    assert "fewer than two" in only("pairwise", [], answers=json.dumps(["same", "same"])).reason


def test_an_order_must_name_each_once():
    answers = json.dumps(["a1", "b2", "c3"])
    row = only("ranking", ["[2] > [3] > [1]"], answers=answers)
    assert sorted(row.extra["ranked"]) == ["a1", "b2", "c3"]
    assert "no order" in only("ranking", ["[2] > [2] > [1]"], answers=answers).reason


def test_critiques_mend():
    row = only("critique_repair", ["It lacks the urine.", "It filters blood and makes urine."], answer="It filters.")
    assert (row.extra["critique"], row.extra["first"]) == ("It lacks the urine.", "It filters.")
    same = only("critique_repair", ["Fine.", "It filters."], answer="It filters.")
    assert "changed nothing" in same.reason


def test_steps_are_judged_one_by_one():
    row = only("step_labels", ["yes", "No."], answer="First this. Then that.")
    assert (row.extra["first_wrong"], row.extra["verdicts"][0]["passed"]) == (2, False)
    assert "neither yes nor no" in only("step_labels", ["perhaps", "yes"], answer="First this. Then that.").reason


# ---- self-knowledge ---------------------------------------------------------------------------------
def test_opposite_instructions_make_a_pair():
    row = only("contrastive_pair", ["It filters blood.", "No idea, who cares."])
    assert (row.answer, row.extra["rejected"]) == ("It filters blood.", "No idea, who cares.")
    assert "the same" in only("contrastive_pair", ["It filters.", "It filters."]).reason


def test_principles_are_erased():
    rows, calls = run("principles", ["It filters.", "It filters blood."], {"revise": True})
    assert "Follow these rules" in calls[0].messages[0]["content"]
    assert rows[0].messages == [{"role": "user", "content": "What does the kidney do?"}]
    assert (rows[0].answer, rows[0].extra["first"]) == ("It filters blood.", "It filters.")


def test_rejection_sampling_by_gold_by_score_and_with_a_hint():
    tries = [["Reasoning: a\nAnswer: 3", "Reasoning: b\nAnswer: 4"]]
    rows, _ = run("rejection_sampling", tries, {"tries": 2}, gold="4")
    assert [r.status for r in rows] == ["unparsed", "parsed"]
    hinted, _ = run("rejection_sampling", [*tries, "Reasoning: c\nAnswer: 5"], {"tries": 2}, gold="5")
    assert hinted[-1].extra["rationalised"] is True
    scored, _ = run("rejection_sampling", [*tries, "9", "2"], {"tries": 2})
    assert [r.status for r in scored] == ["parsed", "unparsed"]


def test_spin_rejects_the_models_own_words():
    row = only("spin_pairs", ["Own words entirely."], answer="The accepted answer.")
    assert (row.extra["chosen"], row.extra["rejected"]) == ("The accepted answer.", "Own words entirely.")
    assert "no answer to learn from" in only("spin_pairs", []).reason


def test_own_scores_make_a_pair():
    row = only("self_rewarding", [["Good.", "Bad."], "5", "1"], {"answers": 2})
    assert (row.answer, row.extra["rejected"], row.extra["margin"]) == ("Good.", "Bad.", 4)
    assert "points apart" in only("self_rewarding", [["Good.", "Bad."], "3", "3"], {"answers": 2}).reason


# ---- all --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_failed_call_is_a_failed_row(name):
    variables = {"answer": "An old answer.", "answers": json.dumps(["a1", "b2"]), "source": PASSAGE}

    def teacher(call):
        return [Reply(call.call_id, n, "", "error", error="the engine died") for n in range(call.sampling.n)]

    second = Request("rq2", "sd2", "pv", [{"role": "user", "content": "Two?"}], {"question": "Two?", **variables})
    for outcome in drive(METHODS[name], [request(**variables), second], {}, teacher):
        if name != "instruction_fusion":
            assert {r.status for r in outcome.rows} == {"failed"}
        assert all(r.reason for r in outcome.rows)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_says_all_that_the_page_needs(name):
    method = METHODS[name]
    assert method.name == name == method.template.method
    assert method.source and method.warning and method.summary
    assert all(field.description for field in method.config.model_fields.values())
    method.config()


def test_a_method_that_no_recipe_sets_up_stands_in_the_gallery_as_it_is():
    new = replace(METHODS["direct"], name="new", summary="Something new")
    found = with_all_methods([RECIPES["soap_note"]], {"direct": METHODS["direct"], "new": new})
    assert set(found) == {"soap_note", "new"}
    assert (found["new"].summary, found["new"].template) == ("Something new", new.template)


def test_recipes_are_whole_and_cover_the_fields():
    skills = {recipe.skill for recipe in RECIPES.values()}
    assert {"Law", "Medicine", "Finance and science", "Code", "Retrieval", "Multi-turn"} <= skills
    for recipe in RECIPES.values():
        METHODS[recipe.template.method].config.model_validate(recipe.template.method_config)
    assert {recipe.template.method for recipe in RECIPES.values()} == set(METHODS)
