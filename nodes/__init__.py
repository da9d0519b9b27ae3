"""What is done: one file = one node = one function of the same name.

May import `state`. Touches the outside world only through `nodes.services`.
"""
