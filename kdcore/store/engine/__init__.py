"""What opens and keeps the file: connection, migrations, ingest, the log of decisions, snapshots, the SQL child."""
