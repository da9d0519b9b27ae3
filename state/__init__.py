"""What is true: typed graph state, transition tables (the Heart), domain errors. Pure code, no I/O.

May import the standard library, pydantic and typing_extensions.
"""
