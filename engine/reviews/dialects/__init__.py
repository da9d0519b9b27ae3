"""The ways in which graphs ask and clients answer, and the one shape between them.

`questions` reads an interrupt, `answers` writes the value that the graph waits for, `clients` reads
what other people's clients send. None of them does I/O; the first never fails, the other two fail
only with `InvalidDecisionError`.
"""
