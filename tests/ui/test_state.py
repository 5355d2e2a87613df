"""What the address bar says, read with care."""

from typing import Any

import pytest
import streamlit as st

from kdcore.ui import state


@pytest.fixture
def address(monkeypatch) -> dict[str, Any]:
    bar: dict[str, Any] = {}
    monkeypatch.setattr(st, "query_params", bar)
    return bar


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("", 3), ("²", 3), ("٣", 3), ("-1", 3), ("1e3", 3), ("9" * 25, 3), ("999999999", 999_999_999)],
)
def test_a_number_of_the_address_is_one_or_the_default(address, text, number):
    address["page"] = text
    assert state.number("page", 3) == number


def test_an_empty_value_leaves_the_address(address):
    address.update(run="r", page="2")
    state.set_params(run=None, page="", sample="s", step=4)
    assert address == {"sample": "s", "step": "4"}
