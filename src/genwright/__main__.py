"""`python -m genwright`, for where the `genwright` command is not on the path."""

from genwright.app.cli import main

if __name__ == "__main__":
    main()
