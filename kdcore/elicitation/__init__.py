"""How knowledge is asked for: ``METHODS`` is the whole list, one line each (survey §3.1)."""

from kdcore.elicitation.base import Method
from kdcore.elicitation.labeling.chain_of_thought import CHAIN_OF_THOUGHT
from kdcore.elicitation.labeling.direct import DIRECT

METHODS: dict[str, Method] = {
    "direct": DIRECT,
    "chain_of_thought": CHAIN_OF_THOUGHT,
}
