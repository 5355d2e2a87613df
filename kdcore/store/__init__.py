"""The only SQL of the project. One file a noun; every value is bound; nothing above knows a table."""
