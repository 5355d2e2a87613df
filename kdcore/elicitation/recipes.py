"""Ready recipes: methods set up for a skill or a field of the survey (§4 and §5), to take, change and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import Method


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named set-up of a method. ``skill`` is the group it is listed under."""

    name: str
    skill: str
    summary: str
    template: PromptTemplate


def _of(name: str, skill: str, summary: str, method: str, system: str = "", user: str = "", **config: Any) -> Recipe:
    base = METHODS[method].template
    template = base.model_copy(
        update={"system": system or base.system, "user": user or base.user, "method_config": config}
    )
    return Recipe(name, skill, summary, template)


FOLLOW, DIALOGUE, RETRIEVE = "Instruction following", "Multi-turn", "Retrieval"
THINK, PREFER, AGENT = "Thinking", "Preference and value", "Tools and planning"
UNDERSTAND, WRITE, SEARCH = "Understanding", "Writing", "Search"
JUDGE, CODE = "Judging", "Code"
AS_IT_IS = "More methods"  # that no recipe above sets up
LAW, MEDICINE, OTHERS = "Law", "Medicine", "Finance and science"

_LIST: tuple[Recipe, ...] = (
    _of("simple_instructions", FOLLOW, "New questions from a few seeds (Alpaca)", "self_instruct", per_request=4),
    _of("complex_instructions", FOLLOW, "Each question grown harder in three rounds", "evol_instruct", rounds=3),
    _of("fused_instructions", FOLLOW, "Two questions become one that needs both", "instruction_fusion"),
    _of("many_voices", FOLLOW, "The same question under several system messages (Orca)", "system_sweep"),
    _of(
        "strategy_erased",
        FOLLOW,
        "Answer with a strategy in the prompt, learn without it (Orca 2)",
        "system_sweep",
        systems=("First recall what is known, then compare the options, then decide.",),
        erase=True,
    ),
    _of("textbook_lessons", FOLLOW, "Lessons with exercises (Phi)", "textbook"),
    _of("topic_coverage", FOLLOW, "Questions for every reader and difficulty of a topic", "topic_tree"),
    _of("more_of_what_fails", FOLLOW, "New questions of the kind that the student fails", "subgroup_expansion"),
    _of("other_wordings", FOLLOW, "Several wordings of each question", "paraphrase"),
    _of("open_talk", DIALOGUE, "A curious person and an expert", "dialogue",
        asker="a curious person who knows little about it", expert="a patient expert"),
    _of("article_as_talk", DIALOGUE, "A passage retold as a talk", "article_to_dialogue"),
    _of("answer_with_citations", RETRIEVE, "Answer from passages, some distracting, and cite", "retrieval_answer"),
    _of("passage_questions", RETRIEVE, "Question and answer from a passage", "document_grounded"),
    _of("step_by_step", THINK, "Reason first, then answer", "chain_of_thought"),
    _of("clear_votes", THINK, "Keep what most of five answers agree on", "self_consistency"),
    _of("all_good_rationales", THINK, "Every rationale that leads to the majority's answer", "majority_vote"),
    _of("right_tries_only", THINK, "Try four times, keep what is right (STaR)", "rejection_sampling"),
    _of("by_program", THINK, "Solve by a short program that is run", "program_of_thought"),
    _of("criticise_and_mend", THINK, "Say what is wrong with an answer, then mend it", "critique_repair"),
    _of("check_each_step", THINK, "Label each step of an answer", "step_labels"),
    _of("constitution", PREFER, "Answer under principles, learn without them", "principles", revise=True),
    _of("opposite_instructions", PREFER, "Chosen and rejected from opposite instructions (RLCD)", "contrastive_pair"),
    _of("better_of_two", PREFER, "Compare two answers in both orders", "pairwise"),
    _of("ranked_lists", PREFER, "Order all answers to a question", "ranking"),
    _of("own_judge", PREFER, "The model scores its own answers", "self_rewarding"),
    _of("accepted_against_own", PREFER, "Your accepted answer against the student's own (SPIN)", "spin_pairs"),
    _of("call_a_tool", AGENT, "One tool call by schema, a result, an answer", "tool_use", max_calls=1),
    _of("plan_with_tools", AGENT, "Up to three calls in a row", "tool_use",
        "First think which facts you need, then get them one by one.", max_calls=3),
    _of("label_and_why", UNDERSTAND, "A label and a sentence why", "label_and_explain"),
    _of("faithful_summaries", WRITE, "One-sentence summaries that add nothing", "faithful_summary"),
    _of("search_queries", SEARCH, "Queries that a passage answers (InPars)", "pseudo_query"),
    _of("rank_passages", SEARCH, "Order answers or passages by relevance (RankGPT)", "ranking",
        "You rank texts by how well they answer the question. Reply with the order only."),
    _of("grade_answers", JUDGE, "Scores by a rubric: data for a judge of your own", "rubric"),
    _of("harder_questions", JUDGE, "From an answer, a question that it would fail (Lion)", "harder_prompt"),
    _of("tested_functions", CODE, "Functions that pass their tests", "code_with_tests"),
    _of("legal_syllogism", LAW, "Norm, facts, conclusion", "chain_of_thought",
        "You are a careful lawyer. First name the rule, then the facts that matter under it; the conclusion comes "
        "last. Cite no article that you are not sure of. Use this form:\n"
        "Reasoning: Norm: <the rule>. Facts: <the facts>.\nAnswer: <the conclusion in one sentence>"),
    _of("statute_grounded", LAW, "Question and answer from the text of a law", "document_grounded",
        "You write exam questions from the text of a law. Use only this text and no other article. Form:\n"
        "Question: <one question that the text answers>\nAnswer: <the answer, in the text's own words>",
        min_support=0.5),
    _of("bar_exam", LAW, "Exam reasoning, decided by a vote", "self_consistency",
        "You sit a bar exam. Reason in a few short steps, then give the letter or the short answer.\nUse this form:\n"
        "Reasoning: <your steps>\nAnswer: <the answer>"),
    _of("client_talk", LAW, "A client and a lawyer", "dialogue",
        asker="a worried client who is no lawyer", expert="a careful lawyer who says what depends on the case"),
    _of("soap_note", MEDICINE, "Subjective, objective, assessment, plan", "direct",
        "You write practice notes for students. Structure the case as four lines: Subjective, Objective, Assessment, "
        "Plan. Write only what the case says; where it says nothing, write: not given."),
    _of("two_readers", MEDICINE, "For the patient and for the clinician", "system_sweep",
        systems=("Explain to a patient in plain words, without alarm.", "Explain to a clinician, precisely.")),
    _of("medical_exam", MEDICINE, "Exam reasoning, decided by a vote", "self_consistency",
        "You sit a medical exam. Reason in a few short steps, then give the letter or the short answer.\nUse this "
        "form:\nReasoning: <your steps>\nAnswer: <the answer>"),
    _of("consultation", MEDICINE, "A patient and a doctor", "dialogue"),
    _of("finance_tables", OTHERS, "Question and answer from a report", "document_grounded",
        "You write questions from a financial text. Every number of the answer stands in the text. Form:\n"
        "Question: <one question that the text answers>\nAnswer: <the answer, in the text's own words>"),
    _of("science_self_critique", OTHERS, "Answer, criticise, mend (SciGLM)", "critique_repair",
        "You are a strict scientific reviewer. Say in one or two sentences what is wrong, unclear or missing."),
)  # fmt: skip


def with_all_methods(listed: Sequence[Recipe], methods: Mapping[str, Method]) -> dict[str, Recipe]:
    """Recipes by name; a method that none of them sets up stands among them as it is."""
    used = {recipe.template.method for recipe in listed}
    plain = [Recipe(m.name, AS_IT_IS, m.summary, m.template) for m in methods.values() if m.name not in used]
    return {recipe.name: recipe for recipe in (*listed, *plain)}


RECIPES = with_all_methods(_LIST, METHODS)
