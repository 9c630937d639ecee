"""The program: `genwright`, or `python -m genwright`. Signals are answered before anything slow is imported."""

import sys


def main() -> None:
    """Run the command line, and leave with its exit code."""
    code: str | int | None = 130
    try:
        from genwright.signals import handled_by, interrupt, leave_quietly

        with handled_by(interrupt):
            from genwright.app.cli import main as verbs
            from genwright.app.exits import without_misuse

            with without_misuse():
                sys.exit(verbs(standalone_mode=False))
    except SystemExit as done:
        code = done.code
        leave_quietly()
    except Exception as failure:  # of the program's own help and the like; verbs answer for themselves
        from genwright.app.exits import last_words

        code = last_words(failure)
    except KeyboardInterrupt as stop:  # before a verb had begun
        print("genwright: stopped before anything was done", file=sys.stderr)
        code = getattr(stop, "exit_code", code)
        leave_quietly()
    sys.exit(code)


if __name__ == "__main__":
    main()
