"""Filters: right on plain cases, total on any text, one verdict for each row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdcore.filters import FILTERS
from kdcore.filters.agreement import word_f1
from kdcore.filters.citations import citations
from kdcore.filters.language import reading_grade
from kdcore.filters.near_duplicates import NearDuplicatesConfig, jaccard, pairs, shingles
from kdcore.filters.needs import READER

GOOD = "Aspirin thins the blood, so it can stop a clot from growing while help is on its way."


WITHOUT_A_MODEL = sorted(name for name, check in FILTERS.items() if READER not in check.needs)


def judge(name, *answers, **options):
    rows = [
        {"sample_id": str(i), "question": "q", "answer": a, "seed_id": "one", "gold": GOOD, "entropy": float(i)}
        | {"vector": unit(i), "nearest_item": (0.5, 0)}
        for i, a in enumerate(answers)
    ]
    return FILTERS[name].verdicts(rows, FILTERS[name].config(**options))


def unit(seed):
    vector = np.random.default_rng(seed).normal(size=16).astype(np.float32)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("length", "Yes."),
        ("refusal", "I can't provide medical advice about this."),
        ("repetition", "the same four words " * 12),
        ("repetition", "The dose is 5 mg. " + "mg mg" * 20 + " a day."),
        ("repetition", "!" * 80),
        ("truncation", "Aspirin thins the blood, so it can stop a clot from"),
        (
            "readability",
            "Notwithstanding antihypertensive pharmacotherapeutic interventions, cardiovascular comorbidities "
            "necessitate multidisciplinary reconsideration, interprofessional communication, individualised "
            "rehabilitation, psychopharmacological evaluation, nephroprotective supplementation, subspecialist "
            "consultation, electrocardiographic surveillance.",
        ),
        ("gold", "Contracts end by notice."),
        ("placeholder", "Dear <NAME>, your claim of <AMOUNT> was received."),
        ("placeholder", "The tenant, [INSERT TENANT NAME], pays $[AMOUNT] a month."),
        ("placeholder", "Dear [insert name], thank you for writing."),
        ("placeholder", "The notice was served on [PERSON] at [STREET_ADDRESS]."),
        ("placeholder", "Signed for [ORGANIZATION]."),
        (
            "repetition",
            " ".join(f"Clause {n} deals with matter {n} of the lease." for n in range(60))
            + " The tenant who leaves before the end of the term owes rent until another tenant is found." * 5,
        ),
    ],
)
def test_bad_fails_with_a_reason_and_good_passes(name, bad):
    first, second = judge(name, bad, GOOD)
    assert not first.passed
    assert first.reason
    assert second.passed
    assert second.reason == ""


@pytest.mark.parametrize(
    "answer",
    [
        "One third is 0." + "3" * 30 + ", so the share is 33 percent of the whole sum that was paid.",
        "| drug | dose |\n|"
        + "-" * 40
        + "|\n| aspirin | 75 mg, taken once a day with food, for as long as it is needed |",
        " ".join(f"Meal {n} has {n} parts." for n in range(60))
        + " Instead of ________ I will eat ________ for a week." * 6,
        "Contents " + "." * 40 + " 3: definitions, payment, delivery, liability, notices and the law that governs.",
    ],
)
def test_lines_dots_and_digits_are_layout(answer):
    assert judge("repetition", answer)[0].passed


def test_what_a_program_writes_in_two_braces_is_no_blank():
    code, blank = judge(
        "placeholder", "<b style={{ fontWeight: 'bold' }}>Warning</b>", "Dear {{ patient name }}, hello."
    )
    assert (code.passed, blank.passed) == (True, False)


def test_near_duplicates_name_the_row_that_is_kept():
    words = GOOD.split()
    near = " ".join([*words[:-1], "coming."])
    verdicts = judge("near_duplicates", GOOD, "Something quite different about contracts and notice periods.", near)
    assert [v.passed for v in verdicts] == [True, True, False]
    assert "sample 0" in verdicts[2].reason


def test_near_duplicates_compare_whole_long_texts():
    """Two reports that begin alike for pages and then part are two; one that is mended at its end is the same."""
    shared = " ".join(f"Finding {n} of the examination was noted as normal." for n in range(400))
    one = shared + " " + " ".join(f"Diagnosis {n} is confirmed by test {n}." for n in range(400))
    other = shared + " " + " ".join(f"Clause {n} of the lease was broken in year {n}." for n in range(400))
    mended = one.replace("Diagnosis 399 is confirmed", "Diagnosis 399 was ruled out")
    verdicts = judge("near_duplicates", one, other, mended)
    assert [v.passed for v in verdicts] == [True, True, False]
    assert "sample 0" in verdicts[2].reason


def test_an_exact_duplicate_differs_at_most_in_case_and_spaces():
    assert [v.passed for v in judge("exact_duplicates", GOOD, GOOD.upper() + " ", GOOD + " Go.")] == [
        True,
        False,
        True,
    ]
    ends = [
        "It is 5.",
        "- one\n- two three four)",
        "```\nprint(a b c)\n```",
        "The dose is about 250",
        "这是一个完整的句子。",
    ]
    assert all(v.passed for v in judge("truncation", *ends))


def test_candidates_are_checked_by_true_overlap():
    texts = [f"word{i} alpha beta gamma delta epsilon zeta eta theta iota" for i in range(30)]
    config = NearDuplicatesConfig(threshold=0.6)
    for earlier, later, alike in pairs(texts, config):
        assert alike == jaccard(shingles(texts[earlier], 3), shingles(texts[later], 3)) >= 0.6


@settings(max_examples=60, deadline=None)
@given(answers=st.lists(st.text(max_size=200), max_size=6), name=st.sampled_from(WITHOUT_A_MODEL))
def test_filters_are_total(answers, name):
    verdicts = judge(name, *answers)
    assert len(verdicts) == len(answers)
    assert all(v.passed or v.reason for v in verdicts)


def test_language_goes_by_the_majority_or_by_what_is_asked():
    english, german = GOOD, "Der Arzt soll dem Patienten das Medikament geben, am besten nach dem Essen."
    assert [v.passed for v in judge("language", german, english, english)] == [False, True, True]
    assert [v.passed for v in judge("language", german, english, expected="de")] == [True, False]
    assert judge("language", "Ja.", expected="en")[0].passed  # too short to tell


def test_reading_grade_follows_its_formula():
    # 2 sentences, 10 words, 42 letters: 4.71 · 4.2 + 0.5 · 5 − 21.43
    text = "The drug helps you breathe. Take it twice each day."
    letters = sum(c.isalnum() for c in text)
    assert reading_grade(text) == pytest.approx(4.71 * letters / 10 + 0.5 * 10 / 2 - 21.43)


def test_word_f1_is_symmetric_and_counts_repeats():
    assert word_f1("a b b", "b b c") == word_f1("b b c", "a b b") == pytest.approx(2 / 3)
    assert word_f1("", "") == 1
    assert word_f1("", "a") == 0


def test_a_seed_answered_in_different_ways_is_inconsistent():
    verdicts = judge("self_consistency", "It is the liver.", "It is the liver.", "Quite something else, my friend.")
    assert [v.passed for v in verdicts] == [True, True, False]


def test_different_questions_of_one_seed_are_not_compared():
    rows = [
        {"sample_id": str(i), "question": f"q{i}", "answer": a, "seed_id": "one"} for i, a in enumerate(["x y", "z"])
    ]
    check = FILTERS["self_consistency"]
    assert all(v.passed for v in check.verdicts(rows, check.config()))


def test_the_most_unsure_rows_fail():
    verdicts = judge("uncertainty", *["x"] * 20, share=0.1)  # entropy is the row's number
    assert [i for i, v in enumerate(verdicts) if not v.passed] == [18, 19]
    assert [i for i, v in enumerate(judge("uncertainty", *["x"] * 4, max_nats=1.5)) if not v.passed] == [2, 3]


def test_an_evaluation_item_is_found_and_named_but_not_in_itself():
    item = "Which of these drugs lowers the pressure in the eye by slowing the making of fluid?"
    found = judge("contamination", f"Tell me. {item} Timolol.", GOOD, against=(item,))
    assert [v.passed for v in found] == [False, True]
    assert "evaluation item 1" in found[0].reason
    assert judge("contamination", item, against=(item,), own=("0",))[0].passed
    assert not judge("contamination", GOOD, item, against=(item,), own=("0",))[1].passed
    twice = judge("contamination", item, item, against=(item, item), own=("0", "1"))
    assert all(v.passed for v in twice), "two answers to one held-out question do not spoil each other"


def rows_of(vectors):
    return [{"sample_id": str(i), "question": "q", "answer": "a", "vector": v} for i, v in enumerate(vectors)]


def test_outliers_are_the_farthest_and_same_meaning_the_nearest():
    chance = np.random.default_rng(0)
    crowd = np.eye(16)[0] + chance.normal(0, 0.05, (60, 16))
    apart = -np.eye(16)[1:2]
    vectors = np.vstack([crowd, apart]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    outliers = FILTERS["outliers"]
    verdicts = outliers.verdicts(rows_of(vectors), outliers.config(share=0.02))
    assert not verdicts[60].passed
    assert sum(not v.passed for v in verdicts) <= 2
    same = FILTERS["same_meaning"]
    twice = np.vstack([vectors[60:], vectors[:5], vectors[60:]])
    found = same.verdicts(rows_of(twice), same.config(threshold=0.999))
    assert [v.related for v in found] == ["", "", "", "", "", "", "0"]


def test_same_meaning_in_buckets_agrees_with_all_pairs(monkeypatch):
    chance = np.random.default_rng(1)
    base = chance.normal(size=(150, 16))
    vectors = np.vstack([base, base[:40] + chance.normal(0, 0.001, (40, 16))]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    check = FILTERS["same_meaning"]
    whole = [v.related for v in check.verdicts(rows_of(vectors), check.config(threshold=0.999))]
    monkeypatch.setattr("kdcore.filters.vectors.BUCKET", 60)
    parts = [v.related for v in check.verdicts(rows_of(vectors), check.config(threshold=0.999))]
    assert parts == whole
    assert whole[150:] == [str(i) for i in range(40)]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (
            "Under Article 12 and Art. 12, see also Sections 4(1) and § 9a.",
            ["article 12", "section 4(1)", "section 9a"],
        ),
        ("Rule 26(b)(1) applies; para. 7 does not.", ["rule 26(b)(1)", "paragraph 7"]),
        (
            "Sections 12 and 13, §§ 4, 5 and Articles 5-7.",
            ["section 12", "section 13", "section 4", "section 5", "article 5", "article 6", "article 7"],
        ),
        ("Rule 1.13 is not Rule 1.6; Art 5, s. 12.", ["rule 1.13", "rule 1.6", "article 5", "section 12"]),
        ("410 U.S. 113 is a case.", []),
        ("The article has 12 pages and a section on law.", []),
        ("", []),
    ],
)
def test_provisions_that_a_text_names(answer, found):
    assert citations(answer) == found


def test_a_provision_that_no_passage_names_fails():
    check = FILTERS["citations"]

    def judged(answer, source, **options):
        [verdict] = check.verdicts([{"question": "q", "answer": answer, "source": source}], check.config(**options))
        return verdict

    assert judged("Under Section 12(2) notice is due.", "Section 12 says that notice is due.").passed
    wrong = judged("Under Section 13 notice is due.", "Section 12 says that notice is due.")
    assert not wrong.passed and "section 13" in wrong.reason
    assert judged("Under Section 13 notice is due.", "").passed
    assert not judged("Under Section 13 notice is due.", "", without_passage=True).passed
