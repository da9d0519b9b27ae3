-- Rows ever inserted into this database, as the server counts them, about a second late.
SELECT tup_inserted FROM pg_stat_database WHERE datname = current_database()
