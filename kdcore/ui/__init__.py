"""Everything drawn with Streamlit, besides the pages: frame, forms, charts, cards. No SQL, no torch."""
