"""Errors that a user can act on: what went wrong, where, and what to do about it.

Anything a user did raises one of these; anything we did wrong is an `assert`.
"""


class GenwrightError(Exception):
    """A failure the user can remedy.

    `what` says what is wrong, `where` names the file, line, column or argument, `hint` the remedy.

    >>> print(GenwrightError("no rows", where="patients.csv", hint="check the path"))
    patients.csv: no rows
      hint: check the path
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        # Names of files may hold bytes that are not UTF-8, which could not be printed or sent on.
        self.what, self.where, self.hint = (
            text.encode("utf-8", "backslashreplace").decode() for text in (what, where, hint)
        )
        super().__init__(self.what)

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}\n  hint: {self.hint}" if self.hint else line


class DataError(GenwrightError):
    """Input that cannot be read, is empty, or does not fit what was asked of it."""

    exit_code = 3


class NoRowsError(DataError):
    """A table without a single row."""


class ArgumentError(GenwrightError, ValueError):
    """An argument outside what it may be."""

    exit_code = 2


class UnsupportedError(GenwrightError):
    """A family asked for something it does not do; the hint names one that does."""

    exit_code = 4


class StorageError(GenwrightError):
    """A run folder that is missing, damaged, tampered with, or of a newer format."""

    exit_code = 5


class TrainingError(GenwrightError):
    """Training that could not go on, for example a loss that is no longer finite."""

    exit_code = 6


class MissingDependencyError(GenwrightError, ImportError):
    """An optional package that is not installed; the hint gives the exact command."""

    exit_code = 7


class ResourceError(GenwrightError):
    """What the machine has not enough of: memory, or room on the disk."""

    exit_code = 8
