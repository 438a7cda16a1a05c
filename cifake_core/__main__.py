"""`python -m cifake_core`: the command line."""

from cifake_core.cli import main

if __name__ == "__main__":
    main()
