"""What stops a server from starting, said so that the reader can mend it."""

EXIT_CODE = 2
"""Exit code of a process that could not start."""


class StartupError(Exception):
    """A condition outside the program that keeps it from serving: one line, no traceback."""

    def __init__(self, message: str, mend: str) -> None:
        """Keep what is wrong (*message*) and what the reader can do about it (*mend*)."""
        super().__init__(message, mend)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        """Say both on one line."""
        return f"{self.message} – mend: {self.mend}"

    def rendered(self) -> str:
        """Return what the command line prints on standard error."""
        return f"error: {self}"
