"""A stage ends with its result, or with an exit code and one sentence that says what to do, without a traceback.

Under DVC a stage also fails in two cases that DVC does not notice. DVC hashes what a stage depends on when the stage
has ended, so that it would record an edit made meanwhile as if the stage had used it. And when DVC is killed, its stage
runs on beside the next `dvc repro`.
"""

import errno
import hashlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_PARENT = os.getppid()


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


def run_stage(main: Callable[[], None], watched: tuple[str, ...] = (".py", ".yaml")) -> None:
    """Run an entry point; turn the errors above, a full disk and Ctrl-C into one sentence and an exit code.

    Under DVC, a file of a watched kind that the stage read and that was edited since it began is an error.
    """
    try:
        main()
        if _under_dvc():
            _require_unedited(watched)
    except (UsageError, DataError, Interrupted) as error:
        sys.exit(_report(str(error), error.exit_code))
    except OSError as error:
        name = f" '{error.filename}'" if error.filename else ""
        full = "; is the disk full?" if error.errno in NO_ROOM else ""
        sys.exit(_report(f"cannot read or write{name}: {error.strerror or error}{full}", DataError.exit_code))
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        sys.exit(_report("out of memory; set a smaller dataset.train_size and test_size, or train.batch_size", 1))
    except KeyboardInterrupt:
        sys.exit(_report("interrupted", 128 + signal.SIGINT))


def _is_out_of_memory(error: Exception) -> bool:
    """Torch has an error class for a GPU's memory and none for the CPU's; not every stage imports torch."""
    of_torch = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return of_torch or isinstance(error, MemoryError)


def require_dvc_alive() -> None:
    """Raise Interrupted where the DVC that started this stage was killed: the next may run the same stage by now."""
    if abandoned():
        raise Interrupted("the dvc that started this stage was killed; run `dvc repro` again", signal.SIGTERM)


def abandoned() -> bool:
    """Whether the DVC that started this stage is gone."""
    return _under_dvc() and os.getppid() != _PARENT


def _under_dvc() -> bool:
    return "DVC_STAGE" in os.environ


def _contents() -> dict[Path, str]:
    """The SHA-256 of every file of code, and of the parameters that the command line names, by path."""
    root = Path(__file__).resolve().parents[2]
    code = [path for folder in ("rethinking", "stages") for path in (root / folder).rglob("*.py")]
    parameters = [Path(word) for word in sys.argv if word.endswith(".yaml")] or [Path("params.yaml")]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (*code, *parameters) if path.is_file()}


_AT_START = _contents() if _under_dvc() else {}


def _require_unedited(watched: tuple[str, ...]) -> None:
    """Raise DataError where a file of code that is loaded, or of parameters, is not what it was at the start."""
    loaded = {Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    now = _contents()
    for path, content in _AT_START.items():
        if path.suffix in watched and (path.suffix != ".py" or path in loaded) and now.get(path) != content:
            name = os.path.relpath(path)
            raise DataError(f"{name} was edited while this stage ran; run `dvc repro` again")


def _report(message: str, exit_code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return exit_code
