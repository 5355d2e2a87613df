"""The run folder and the processes around it: files only, no SQL, nothing heavy. Both sides use it."""
