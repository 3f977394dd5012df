"""``python -m linearsr`` is the ``linearsr`` command."""

from linearsr.cli.main import main

if __name__ == "__main__":
    main()
