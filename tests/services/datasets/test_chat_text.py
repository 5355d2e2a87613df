"""What people mended goes where the asked text stood."""

import pytest

from kdcore.errors import ConfigError
from kdcore.services.datasets.chat_text import with_question


def talk(*turns: str) -> list[dict]:
    return [{"role": "user" if i % 2 == 0 else "assistant", "content": text} for i, text in enumerate(turns)]


def test_an_edited_question_goes_where_the_asked_one_stood():
    row = {"asked": "How much?", "question": "How much a day?", "sample_id": "sm_1"}
    changed = with_question(talk("How much? Please.", "5 mg.", "Result: 5 mg. Now answer."), row)
    assert [m["content"] for m in changed] == ["How much a day? Please.", "5 mg.", "Result: 5 mg. Now answer."]
    assert with_question(talk("Another wording"), row)[0]["content"] == "How much a day?"
    with pytest.raises(ConfigError, match="sm_1 stands nowhere in its talk"):
        with_question(talk("One", "Two", "Three"), row)
