"""Errors that a person can act on: one sentence, an exit code, no traceback."""

import signal
import sys
from collections.abc import Callable


class UsageError(Exception):
    """A parameter or an argument is wrong. The message names the key, what was found and what is allowed."""

    exit_code = 2


class DataError(Exception):
    """A file, an artefact or a download is wrong. The message names it and the remedy."""

    exit_code = 1


class Interrupted(Exception):
    """A signal ended the work after its state was saved. The message says how to continue."""

    def __init__(self, message: str, signal_number: int = signal.SIGINT):
        super().__init__(message)
        self.exit_code = 128 + signal_number


def run_stage(main: Callable[[], None]) -> None:
    """Run an entry point; turn the errors above, a full disk and Ctrl-C into one sentence and an exit code."""
    try:
        main()
    except (UsageError, DataError, Interrupted) as error:
        sys.exit(_say(str(error), error.exit_code))
    except OSError as error:
        name = f" '{error.filename}'" if error.filename else ""
        sys.exit(_say(f"cannot read or write{name}: {error.strerror or error}", DataError.exit_code))
    except MemoryError:
        sys.exit(_say("out of memory; set dataset.train_size and dataset.test_size to a smaller number", 1))
    except KeyboardInterrupt:
        sys.exit(_say("interrupted", 128 + signal.SIGINT))


def _say(message: str, exit_code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return exit_code
