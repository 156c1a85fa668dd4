"""Stages in processes of their own, forked from one that has imported other packages: Python takes seconds to do so.

Nothing else is shared with the tests or between stages, and a signal meets what it would meet at the command line.
"""

import multiprocessing
import os
import resource
import runpy
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["torch", "pandas", "scipy.stats", "sklearn.datasets", "matplotlib.pyplot", "pydantic", "yaml", "psutil"]
    + ["safetensors.torch", "dvc.repo"]
)


class StageProcess:
    """`python -m stages.NAME ARGUMENTS` in a folder, or another module by its full name, as subprocess.Popen would."""

    def __init__(
        self,
        name: str,
        *arguments: object,
        folder: Path | None = None,
        code: Path = ROOT,
        environment: Mapping[str, str] = os.environ,
        max_file_bytes: int | None = None,
    ):
        self._folder = tempfile.TemporaryDirectory()
        self._logs = [Path(self._folder.name) / stream for stream in ("stdout", "stderr")]
        words = [name if "." in name else f"stages.{name}", *map(str, arguments)]
        started = (words, folder or Path.cwd(), code, dict(environment), self._logs, max_file_bytes)
        self._process = _context.Process(target=_run, args=started)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the signal that ended the process, or None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int:
        """The exit code. Raises TimeoutError after so many seconds."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"the stage had not ended after {seconds} s")
        return self._process.exitcode

    def communicate(self) -> tuple[str, str]:
        """Wait; what it printed to stdout and stderr."""
        self.wait()
        stdout, stderr = (log.read_text(encoding="utf-8") for log in self._logs)
        return stdout, stderr

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self._process.pid and self.returncode is None:
            os.kill(self._process.pid, number)


def _run(
    words: list[str], folder: Path, code: Path, environment: dict[str, str], logs: list[Path], limit: int | None
) -> None:
    """In the new process: bring about what a new interpreter would find, then run the module."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, log in enumerate(logs, start=1):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.path.insert(0, str(code))
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
