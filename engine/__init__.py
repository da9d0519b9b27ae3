"""Durable runs: accepted work, leases, workers, gates, timers, the audit log.

Knows LangGraph and Postgres and none of our graphs: it loads what `langgraph.json` names.
"""
