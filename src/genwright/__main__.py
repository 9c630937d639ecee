"""The program: `genwright`, or `python -m genwright`. Signals are answered before anything slow is imported."""

import sys

from genwright.signals import exit_code, handled_by, interrupt, leave_quietly


def main() -> None:
    """Run the command line, and leave with its exit code."""
    code: str | int | None = 1
    try:
        with handled_by(interrupt):
            from genwright.app.cli import main as verbs

            code = verbs()
    except SystemExit as done:
        code = done.code
    except KeyboardInterrupt as stop:  # before a verb had begun
        print("genwright: stopped before anything was done", file=sys.stderr)
        code = exit_code(stop)
    finally:
        leave_quietly()
    sys.exit(code)


if __name__ == "__main__":
    main()
