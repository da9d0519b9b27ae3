"""Everything that can happen to gates, in one book."""

from engine.gates.answers import Answers
from engine.gates.questions import Questions


class Gates(Questions, Answers):
    """Opens, decides and closes gates; every method joins the caller's transaction."""
