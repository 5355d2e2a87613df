"""Where a teacher's terms don't plainly allow training: who decides that it may be done, and why, in writing."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from kdcore.services import governance
from kdcore.services.workspace import App
from kdcore.ui import frame
from kdcore.ui.labels import escape, sentence


def undecided(app: App, project_id: str, dataset_ids: Sequence[str]) -> None:
    """One form for each teacher of the chosen versions whose terms wait for a decision; nothing where none does."""
    for place, row in enumerate(governance.undecided_terms(app, project_id, list(dict.fromkeys(dataset_ids)))):
        title = f"Terms to decide on: {escape(row['teacher'])}, {row['rows']} rows"
        with st.expander(title, icon=":material/gavel:", expanded=True), frame.guard():
            st.markdown(f"{sentence(row['title'])}: {row['says']}. {escape(' '.join(row['conditions']))}")
            st.caption("Training starts once someone who may decide it has written down why it is allowed here.")
            with st.form(f"terms-{place}", border=False):
                who = st.text_input("Who decides", key=f"terms-who-{place}")
                why = st.text_area(
                    "Why it is allowed", placeholder="Agreement, date, scope", key=f"terms-why-{place}"
                )
                if st.form_submit_button("Record the decision", icon=":material/edit_document:"):
                    governance.decide_terms(app, project_id, row["teacher"], row["terms"], who, why)
                    st.rerun()
