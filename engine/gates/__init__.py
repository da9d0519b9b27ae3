"""Open questions: each is a row, and one compare-and-set of that row is its answer.

A question that a graph stops at becomes a row here before the run's status says `interrupted`; an
answer is a change of that row before the graph hears of it. `gate.py` is the row, `register.py`
reads, locks and tells of it, `questions.py` writes what the graph asks, `answers.py` what people
say, `book.py` binds the two together.
"""
