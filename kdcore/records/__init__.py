"""What crosses a process or the database, each with its type: the only place where a field of a record is named."""
