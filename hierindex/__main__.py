"""``python -m hierindex``."""

from hierindex.cli import main

if __name__ == "__main__":
    main()
