"""How knowledge is asked for: ``METHODS`` is the whole list, one line each (survey §3.1)."""

from kdcore.elicitation.base import Method
from kdcore.elicitation.curation.article_to_dialogue import ARTICLE_TO_DIALOGUE
from kdcore.elicitation.curation.dialogue import DIALOGUE
from kdcore.elicitation.curation.document_grounded import DOCUMENT_GROUNDED
from kdcore.elicitation.curation.pseudo_query import PSEUDO_QUERY
from kdcore.elicitation.curation.textbook import TEXTBOOK
from kdcore.elicitation.curation.topic_tree import TOPIC_TREE
from kdcore.elicitation.expansion.evol_instruct import EVOL_INSTRUCT
from kdcore.elicitation.expansion.instruction_fusion import INSTRUCTION_FUSION
from kdcore.elicitation.expansion.paraphrase import PARAPHRASE
from kdcore.elicitation.expansion.self_instruct import SELF_INSTRUCT
from kdcore.elicitation.expansion.subgroup_expansion import SUBGROUP_EXPANSION
from kdcore.elicitation.feedback.critique_repair import CRITIQUE_REPAIR
from kdcore.elicitation.feedback.harder_prompt import HARDER_PROMPT
from kdcore.elicitation.feedback.pairwise import PAIRWISE
from kdcore.elicitation.feedback.ranking import RANKING
from kdcore.elicitation.feedback.rubric import RUBRIC
from kdcore.elicitation.feedback.step_labels import STEP_LABELS
from kdcore.elicitation.labeling.chain_of_thought import CHAIN_OF_THOUGHT
from kdcore.elicitation.labeling.code_with_tests import CODE_WITH_TESTS
from kdcore.elicitation.labeling.direct import DIRECT
from kdcore.elicitation.labeling.faithful_summary import FAITHFUL_SUMMARY
from kdcore.elicitation.labeling.label_and_explain import LABEL_AND_EXPLAIN
from kdcore.elicitation.labeling.program_of_thought import PROGRAM_OF_THOUGHT
from kdcore.elicitation.labeling.retrieval_answer import RETRIEVAL_ANSWER
from kdcore.elicitation.labeling.self_consistency import SELF_CONSISTENCY
from kdcore.elicitation.labeling.system_sweep import SYSTEM_SWEEP
from kdcore.elicitation.labeling.tool_use import TOOL_USE
from kdcore.elicitation.self_knowledge.contrastive_pair import CONTRASTIVE_PAIR
from kdcore.elicitation.self_knowledge.majority_vote import MAJORITY_VOTE
from kdcore.elicitation.self_knowledge.principles import PRINCIPLES
from kdcore.elicitation.self_knowledge.rejection_sampling import REJECTION_SAMPLING
from kdcore.elicitation.self_knowledge.self_rewarding import SELF_REWARDING
from kdcore.elicitation.self_knowledge.spin_pairs import SPIN_PAIRS

METHODS: dict[str, Method] = {
    "direct": DIRECT,
    "chain_of_thought": CHAIN_OF_THOUGHT,
    "program_of_thought": PROGRAM_OF_THOUGHT,
    "system_sweep": SYSTEM_SWEEP,
    "label_and_explain": LABEL_AND_EXPLAIN,
    "self_consistency": SELF_CONSISTENCY,
    "retrieval_answer": RETRIEVAL_ANSWER,
    "faithful_summary": FAITHFUL_SUMMARY,
    "code_with_tests": CODE_WITH_TESTS,
    "tool_use": TOOL_USE,
    "self_instruct": SELF_INSTRUCT,
    "evol_instruct": EVOL_INSTRUCT,
    "paraphrase": PARAPHRASE,
    "instruction_fusion": INSTRUCTION_FUSION,
    "subgroup_expansion": SUBGROUP_EXPANSION,
    "topic_tree": TOPIC_TREE,
    "document_grounded": DOCUMENT_GROUNDED,
    "textbook": TEXTBOOK,
    "article_to_dialogue": ARTICLE_TO_DIALOGUE,
    "dialogue": DIALOGUE,
    "pseudo_query": PSEUDO_QUERY,
    "rubric": RUBRIC,
    "pairwise": PAIRWISE,
    "ranking": RANKING,
    "critique_repair": CRITIQUE_REPAIR,
    "step_labels": STEP_LABELS,
    "harder_prompt": HARDER_PROMPT,
    "contrastive_pair": CONTRASTIVE_PAIR,
    "principles": PRINCIPLES,
    "majority_vote": MAJORITY_VOTE,
    "rejection_sampling": REJECTION_SAMPLING,
    "spin_pairs": SPIN_PAIRS,
    "self_rewarding": SELF_REWARDING,
}
