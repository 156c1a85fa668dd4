"""A stage of the pipeline as a command of its own, as DVC runs it."""

import subprocess
import sys


def run_stage(name: str, *options: object) -> None:
    """Run `python -m stages.NAME OPTIONS`. Raises CalledProcessError, after printing what the stage said."""
    done = subprocess.run(
        [sys.executable, "-m", f"stages.{name}", *map(str, options)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr)
    done.check_returncode()
