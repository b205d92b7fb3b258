"""Starts the launcher."""

from scripts.launcher import main

main()
