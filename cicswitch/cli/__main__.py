"""`python -m cicswitch.cli`: the command from the sources."""

from cicswitch.cli import main

if __name__ == "__main__":
    main()
