"""Which way a process goes: wiring only, a factory per graph, named in `langgraph.json`.

May import `nodes` and `state`.
"""
