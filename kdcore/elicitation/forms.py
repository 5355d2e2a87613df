"""Forms that a method can read, as regular expressions that an engine holds a reply to.

They use what the engines' grammars share: classes, groups, choices and counts. A form is generous: it says where the
parts stand and that they end, so that a small teacher can't miss them; what stands in a part is the teacher's own.
"""

from __future__ import annotations

from itertools import permutations

LINE = r"[^\s][^\n]{0,399}"
_SPECIAL = frozenset(r"\.^$*+?{}[]()|/-")


def literal(text: str) -> str:
    """A text as it stands."""
    return "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in text)


def one_of(*words: str) -> str:
    """One of the words and nothing else."""
    return "(" + "|".join(literal(word) for word in words) + ")"


def named(*names: str) -> str:
    """A line ``Name: …`` for each name, in order."""
    return "\\n".join(f"{literal(name)}: {LINE}" for name in names)


def reasoned(first: str, last: str) -> str:
    """``first: …`` in up to twelve lines, then one to six lines of ``last: …``."""
    return rf"{literal(first)}: {LINE}(\n[^\n]{{0,400}}){{0,11}}\n{literal(last)}: {LINE}(\n{LINE}){{0,5}}"


def voted(first: str, last: str) -> str:
    """``first: …`` in up to twelve lines, then one short line of ``last: …`` that others can agree with."""
    return rf"{literal(first)}: {LINE}(\n[^\n]{{0,400}}){{0,11}}\n{literal(last)}: [^\s][^\n]{{0,59}}"


def numbered(count: int, letters: int = 240) -> str:
    """A list numbered from 1 to ``count``, one line each."""
    return "\\n".join(rf"{number}\. [^\s][^\n]{{1,{letters}}}" for number in range(1, count + 1))


def talk(asker: str, expert: str, least: int) -> str:
    """Turns of two, a line each, the asker first; at least so many questions with answers, at most twice and one."""
    turn = rf"{literal(asker)}: {LINE}\n{literal(expert)}: {LINE}"
    return rf"{turn}(\n{turn}){{{least - 1},{2 * least}}}"


def cited(passages: int) -> str:
    """Up to six sentences, each with the number of a passage at its end, such as [1]."""
    sentence = rf"[^\s\[\]][^\n\[\]]{{1,300}} \[{one_of(*map(str, range(1, passages + 1)))}\]\."
    return f"{sentence}( {sentence}){{0,5}}"


def order(count: int) -> str:
    """The numbers from 1 to ``count`` in any order, such as [2] > [1]; above five, one may come twice."""
    if count > 5:
        return rf"\[[1-{count}]\]( > \[[1-{count}]\]){{{count - 1}}}"
    orders = permutations(range(1, count + 1))
    return one_of(*(" > ".join(f"[{place}]" for place in places) for places in orders))


def one_to(top: int) -> str:
    """A whole number from 1 to ``top``."""
    return one_of(*map(str, range(1, top + 1)))


CODE = r"```python\n([^`\n]{0,160}\n){1,60}```"
YES_NO = "(yes|no)"
