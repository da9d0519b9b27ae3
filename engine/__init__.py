"""Durable runs: accepted work, leases, workers, gates, timers, the audit log.

Knows LangGraph and Postgres and none of our graphs: it loads what `langgraph.json` names.
"""

import os

# Read by LangGraph when it is imported: without it whoever can write a checkpoint row can run code.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
