"""``python -m prunetool``."""

from prunetool.cli.app import main

if __name__ == "__main__":
    main()
