import streamlit as st

from kdcore.resources import GUIDE
from kdcore.ui import frame, state

with frame.page("Guide", needs_project=False):
    texts = {path.stem.split("-")[0]: path.read_text(encoding="utf-8") for path in sorted(GUIDE.glob("*.md"))}
    titles = {part: text.splitlines()[0].removeprefix("# ") for part, text in texts.items()}
    part = state.tab(titles, "part")
    with st.container(width=720):
        st.header(titles[part], anchor=False)
        st.markdown(texts[part].split("\n", 1)[1])
