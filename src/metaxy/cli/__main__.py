"""`python -m metaxy.cli`, where the installed command is not on the path."""

from metaxy.cli.app import main

if __name__ == "__main__":
    main()
