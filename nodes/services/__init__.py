"""The outside world of the nodes: one file per neighbour.

May import `state` and the libraries that speak to the neighbours.
"""
