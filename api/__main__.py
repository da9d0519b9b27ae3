"""`python -m api` is the `holdfast` command."""

from api.cli import main

main()
