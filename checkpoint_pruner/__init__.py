"""A rolling window over LangGraph's Postgres checkpoints."""
