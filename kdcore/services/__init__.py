"""Use cases: what pages and the command line call. No Streamlit, no SQL, no torch."""
