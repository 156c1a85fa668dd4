"""A temporary copy of the project, small enough to run its pipeline in seconds, and ways to drive and to read it."""

import ast
import functools
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from ruamel.yaml import YAML
from safetensors import safe_open

from rethinking.core.files import sha256
from tests import imports
from tests.conftest import set_keys
from tests.stage_processes import ROOT, StageProcess


def environment(folder: Path) -> dict[str, str]:
    """Our Python first, DVC's own state beside the copies, no configuration or identity of the person who tests.

    One thread: copies run side by side, and the numbers must not depend on how many cores a machine has.
    """
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder.parent / ".dvc-site"),
        "OMP_NUM_THREADS": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        **{f"GIT_{who}_{what}": "test@test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }


@dataclass(frozen=True)
class Copy:
    """A working copy of the project."""

    folder: Path

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command, stdout and stderr in one pipe."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment(self.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, succeeds: bool = True) -> str:
        """Run a command to its end and return what it printed."""
        process = self.start(*command)
        output, _ = process.communicate()
        assert (process.returncode == 0) == succeeds, f"{shlex.join(command)}: {process.returncode}\n{output}"
        return output

    def dvc(self, *arguments: str, succeeds: bool = True) -> str:
        """Run DVC."""
        return self.run(sys.executable, "-m", "dvc", *arguments, succeeds=succeeds)

    def git(self, *arguments: str) -> str:
        """Run Git."""
        return self.run("git", *arguments)

    def repro(self, *arguments: str) -> list[str]:
        """`dvc repro`; the stages whose commands it ran, in order."""
        return stages_run(self.dvc("repro", *arguments))

    def start_training(self, arch: str, out: str) -> StageProcess:
        """Start a training stage without DVC."""
        arguments = ("--arch", arch, "--raw", "data/raw", "--data", "data/corrupted/headline", "--out", out)
        code = self.folder.resolve()
        return StageProcess("train", *arguments, folder=code, code=code, environment=environment(code))

    def commit(self) -> None:
        """Commit everything that Git does not ignore, into few files, as the copy will be copied."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "state")
        self.git("repack", "-a", "-d", "--quiet")

    def change_params(self, changes: dict[str, Any], name: str = "params.yaml") -> None:
        """Set dotted keys of a parameter file."""
        yaml = YAML()
        document = yaml.load(self.folder / name)
        set_keys(document, changes)
        yaml.dump(document, self.folder / name)

    def append(self, name: str, text: str) -> None:
        """Append to a file."""
        with open(self.folder / name, "a", encoding="utf-8") as file:
            file.write(text)

    def hashes(self, *folders: str) -> dict[str, str]:
        """The SHA-256 of every file below these folders, by path."""
        paths = [path for folder in folders for path in (self.folder / folder).rglob("*") if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): sha256(path) for path in sorted(paths)}

    def checkpoints(self) -> set[Path]:
        """The whole checkpoints there are."""
        return set((self.folder / "checkpoints").glob("*.safetensors"))

    def duplicate(self, folder: Path) -> "Copy":
        """This copy with everything in it, DVC's cache included, elsewhere."""
        shutil.copytree(self.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("rwlock*"))
        return Copy(folder)

    def clone(self, folder: Path) -> "Copy":
        """A fresh Git clone of what is committed here."""
        self.git("clone", "--quiet", str(self.folder), str(folder))
        return Copy(folder)


PIPELINES = ("demo", "imagenet", "paper", "theory")


def copy_of_project(folder: Path, pipelines: Sequence[str] = PIPELINES) -> Copy:
    """What Git tracks or would track in the working tree, as the only commit of a new repository.

    Without reference/, half of the files, which no pipeline reads, and without the other pipelines beside the headline,
    whose stages every DVC command would read.
    """
    left_out = [f":!{name}" for name in ("reference", *PIPELINES) if name not in pipelines]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", ".", *left_out],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    copy = Copy(folder)
    copy.git("init", "--quiet", "--template=")
    copy.commit()
    return copy


def progress(checkpoint: Path) -> dict[str, Any]:
    """How far the run of a checkpoint had come."""
    with safe_open(checkpoint, "np") as file:
        return json.loads(file.metadata()["progress"])


def stages_run(output: str) -> list[str]:
    """The stages whose commands DVC says it runs."""
    return re.findall(r"^Running stage '(.+?)'", output, re.MULTILINE)


def errors(output: str) -> list[str]:
    """The sentences that our stages print for a person."""
    return re.findall(r"^error: (.*)$", output, re.MULTILINE)


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """The first true value of the condition. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise TimeoutError("what the test waits for did not happen")


def stage_process(parent: subprocess.Popen[str], *words: str) -> psutil.Process | None:
    """The running Python process below `parent` whose command line has all these words."""
    if parent.poll() is not None:
        raise ChildProcessError(f"{parent.args} ended early:\n{parent.communicate()[0]}")
    for process in psutil.Process(parent.pid).children(recursive=True):
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if line and "python" in Path(line[0]).name and set(words) <= set(line):
            return process
    return None


@dataclass(frozen=True)
class ResolvedStage:
    """A stage as DVC sees it once every template is filled in; paths are relative to the project's root."""

    pipeline: str
    name: str
    command: list[str]
    deps: list[str]
    params: dict[str, list[str]]  # file: keys; none for a whole file
    cached: list[str]  # the outputs that DVC keeps in its cache

    @property
    def entry(self) -> str:
        """The module that the command runs."""
        return self.command[self.command.index("-m") + 1]

    def option(self, name: str) -> str | None:
        """The first value of an option of the command."""
        return next(iter(self.values(name)), None)

    def values(self, name: str) -> list[str]:
        """All values of an option of the command."""
        after = self.command[self.command.index(name) + 1 :] if name in self.command else []
        return list(itertools.takewhile(lambda word: not word.startswith("--"), after))

    @property
    def parameter_files(self) -> list[str]:
        """The parameter files that the command reads, a later one over an earlier one."""
        return self.values("--params") or ["params.yaml"]

    def declares(self, file: str) -> bool:
        """Whether the file, or a folder it lies in, is a declared dependency."""
        return any(file == dep or file.startswith(f"{dep}/") for dep in self.deps)


def resolved_stages(copy: Copy) -> list[ResolvedStage]:
    """Every stage of every dvc.yaml in the copy."""
    config = {"core": {"site_cache_dir": str(copy.folder.parent / ".dvc-site")}}

    def relative(path: str) -> str:
        return Path(path).relative_to(copy.folder).as_posix()

    with Repo(str(copy.folder), config=config) as repo:
        return [
            ResolvedStage(
                pipeline=stage.path_in_repo,
                name=stage.name,
                command=shlex.split(stage.cmd),
                deps=[relative(dep.fs_path) for dep in stage.deps if not isinstance(dep, ParamsDependency)],
                params={relative(dep.fs_path): dep.params for dep in stage.deps if isinstance(dep, ParamsDependency)},
                cached=[relative(out.fs_path) for out in stage.outs if out.use_cache],
            )
            for stage in repo.index.stages
        ]


@functools.cache
def source_files(*modules: str) -> list[str]:
    """`imports.source_files` of a tree that does not change, once for the same modules."""
    return imports.source_files(*modules)


def modules_by_name(stage: ResolvedStage, params: dict[str, Any]) -> list[str]:
    """The modules that the stage finds by the name of their file: `registry.load` and the parameters say which.

    Raises KeyError for a package of which nothing here says what a stage loads.
    """
    arch, grid_name = stage.option("--arch"), stage.option("--name")
    names = {
        "models": lambda: [arch] if arch else params.get("train", {}).get("archs", []),
        "sources": lambda: [params["dataset"]["name"]],
        "corruptions": lambda: [grid_name.partition("-")[0] if grid_name else params["corrupt"]["kind"]],
    }
    packages = loaded_packages(stage.entry)
    return [f"rethinking.{package}.{name}".replace("/", ".") for package in packages for name in names[package]()]


@functools.cache
def loaded_packages(entry: str) -> list[str]:
    """The first argument of every `registry.load(...)` in the files that a module reaches."""
    found = set()
    for file in source_files(entry):
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "registry.load":
                found.add(ast.literal_eval(node.args[0]))
    return sorted(found)


def holds_only_a_docstring(file: str) -> bool:
    """Whether nothing in the file can change a result."""
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def leaves(section: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted keys of a nested mapping's values."""
    for key, value in section.items():
        yield from leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
