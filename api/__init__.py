"""The face: HTTP, the review console, the command line, the clock. Holds no rule.

May import `engine` and `checkpoint_pruner`.
"""
