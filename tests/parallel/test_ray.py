"""On a real Ray cluster of clones: the bytes of a serial run, nothing run where they are collected, and no node missed.

All tests share one cluster on this machine: a head without a core in the clone that collects, and two nodes for work.
"""

import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from tests.pipeline_helpers import ROOT, Copy, environment, errors, progress, wait_until
from tests.tools.test_run import COUNTER, account, lock, runner, started
from tests.yaml_text import as_yaml

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs requirements-ray.txt")

TRAINING = "python -m stages.{} --params train/params.yaml "
PARAMS = {
    "dataset": {"name": "digits", "train_size": 500, "test_size": 100},
    "corrupt": {"kind": "labels", "level": 1.0},
    "train": {"archs": ["mlp_1x512"], "epochs": 100, "batch_size": 20, "live": False, "device": "cpu"},
    "archs": {"mlp_1x512": {"lr": 0.01}},
}
GPUS = 2  # that the nodes say they have; Ray does not look


def pipelines(log):
    """Every command writes into the log where it runs; `last` is left to Git, and so cannot be carried."""
    here = f"echo $(basename $PWD) >> {log}"
    params = {"params": [{"train/params.yaml": None}]}
    return {
        "dvc.yaml": {
            "first": {"cmd": f"{here}; echo first > first", "deps": ["source"], "outs": ["first"]},
            "wide": {
                "matrix": {"name": ["w0", "w1", "w2", "w3"]},
                "cmd": f"{here}; mkdir -p folder; sleep 1; (cat first; echo ${{item.name}} $OMP_NUM_THREADS) "
                "> folder/${item.name}",
                "deps": ["first"],
                "outs": ["folder/${item.name}"],
            },
            "bundle": {"cmd": f"{here}; cp -r folder bundle", "deps": ["folder"], "outs": ["bundle"]},
            "last": {
                "cmd": f"{here}; cat bundle/w* > last",
                "deps": ["bundle"],
                "metrics": [{"last": {"cache": False}}],
            },
            "after": {"cmd": f"{here}; cat last > after", "deps": ["last"], "outs": ["after"]},
        },
        "part/dvc.yaml": {
            "bad": {"cmd": "echo error: the level is wrong >&2; exit 3", "deps": ["../source"], "outs": ["bad"]},
            "needs_bad": {"cmd": "cp bad needs_bad", "deps": ["bad"], "outs": ["needs_bad"]},
            "good": {"cmd": "cp ../source good", "deps": ["../source"], "outs": ["good"]},
        },
        "count/dvc.yaml": {
            "count": {"cmd": f"{sys.executable} counter.py", "deps": ["counter.py"], "outs": ["counted"]},
        },
        "gpus/dvc.yaml": {
            "whole": {
                "matrix": {"gpus": [GPUS, GPUS + 1]},
                "cmd": "echo $CUDA_VISIBLE_DEVICES > whole${item.gpus}",
                "deps": ["../source"],
                "outs": ["whole${item.gpus}"],
            },
        },
        "train/dvc.yaml": {
            "raw": {"wdir": "..", "cmd": TRAINING.format("fetch") + "--out raw", **params, "outs": ["raw"]},
            "corrupted": {
                "wdir": "..",
                "cmd": TRAINING.format("corrupt") + "--raw raw --out corrupted",
                "deps": ["raw"],
                "outs": ["corrupted"],
            },
            "run": {
                "wdir": "..",
                "cmd": TRAINING.format("train") + "--arch mlp_1x512 --raw raw --data corrupted --out run",
                "deps": ["raw", "corrupted"],
                "outs": ["run"],
            },
        },
    }


def project(folder, log):
    """A repository of small pipelines whose remote is the folder beside it."""
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc/config").write_text(
        "[core]\n    analytics = false\n    autostage = true\n    remote = storage\n"
        f"['remote \"storage\"']\n    url = {folder.parent / 'storage'}\n"
    )
    (folder / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (folder / ".gitignore").write_text("\n".join(["/folder/", "/first", "/bundle", "/after", "/checkpoints", "/live/"]))
    (folder / "source").write_text("source\n")
    for name, stages in pipelines(log).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(as_yaml({"stages": stages}))
    (folder / "train/params.yaml").write_text(as_yaml(PARAMS))
    resources = {f"whole@{gpus}": {"gpus": gpus} for gpus in (GPUS, GPUS + 1)}
    (folder / "gpus/params.yaml").write_text(as_yaml({"resources": resources}))
    state = folder.parent / "state"
    (folder / "count/counter.py").write_text(COUNTER.replace('Path("state")', f'Path("{state}")'))
    copy = Copy(folder)
    copy.git("init", "--quiet", "--template=")
    copy.commit()
    return copy


class Cluster:
    """A head in the clone `driver` and nodes in clones of their own, all with `checkpoints` in one shared folder."""

    def __init__(self, folder):
        self.folder, self.log = folder, folder / "log"
        self.driver = project(folder / "driver", self.log)
        self.temporary = tempfile.mkdtemp(prefix="ray")  # the paths of its sockets must be short
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.nodes = {}

    def start(self):
        port = self.address.partition(":")[2]
        options = ("--include-dashboard=false", f"--temp-dir={self.temporary}")
        self._ray("driver", 0, "--head", f"--port={port}", *options)
        for name in ("a", "b"):
            self.clone(name)
            self._ray(name, 2, f"--address={self.address}", f"--num-gpus={GPUS}")

    def clone(self, name):
        clone = self.driver.clone(self.folder / name)
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        (clone.folder / "checkpoints").symlink_to(self.folder / "checkpoints")
        return clone

    def _ray(self, name, cores, *options):
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--node-name={name}"]
        options = (f"--num-cpus={cores}", "--object-store-memory=80000000", "--disable-usage-stats", *options)
        said = self.folder / f"{name}.log"
        with open(said, "w", encoding="utf-8") as file:
            self.nodes[name] = psutil.Popen(
                [*command, *options],
                cwd=self.folder / name,
                env={**environment(self.folder / name), "RAY_worker_niceness": "0"},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: "Ray runtime started" in said.read_text(encoding="utf-8"))

    def kill(self, name):
        """What a machine that loses power does."""
        node = self.nodes.pop(name)
        for process in [*node.children(recursive=True), node]:
            process.kill()
        node.wait()

    def stop(self):
        for name in list(self.nodes):
            self.kill(name)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def where(self):
        """Where commands ran since the last time somebody asked."""
        names = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return names


def ray_runner(*arguments):
    return runner("--engine", "ray", *arguments)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("ray"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_ADDRESS", cluster.address)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def test_without_ray_a_sentence_says_what_to_install(tmp_path):
    program = "import runpy, sys; sys.modules['ray'] = None; sys.argv[1:] = ['--engine', 'ray']; "
    program += "runpy.run_module('tools.run', run_name='__main__')"
    (message,) = errors(Copy(ROOT).run(sys.executable, "-c", program, succeeds=False))
    assert message == "--engine ray: Ray is not installed; run `pip install -r requirements-ray.txt`"


@needs_ray
def test_a_cluster_gives_the_bytes_and_the_lock_of_a_serial_run(cluster):
    serial = cluster.clone("serial")
    serial.repro()
    assert set(cluster.where()) == {"serial"}

    output = cluster.driver.run(*ray_runner())
    assert account(output) == "8 stages: 8 done"
    assert sorted(started(output)) == sorted(
        ["first", *(f"wide@w{each}" for each in range(4)), "bundle", "last", "after"]
    )
    where = cluster.where()
    assert where[-2:] == ["driver", "driver"]  # what Git keeps, and what needs it
    assert set(where[:-2]) == {"a", "b"}
    assert len(where) == 8
    assert lock(cluster.driver) == lock(serial)
    assert cluster.driver.hashes("folder", "bundle", ".dvc/cache") == serial.hashes("folder", "bundle", ".dvc/cache")
    for name in ("first", "last", "after"):
        assert (cluster.driver.folder / name).read_bytes() == (serial.folder / name).read_bytes()
    assert cluster.driver.dvc("status") == serial.dvc("status")

    assert account(cluster.driver.run(*ray_runner())) == "8 stages: 8 unchanged"
    shutil.rmtree(cluster.driver.folder / "bundle")
    (cluster.driver.folder / "dvc.lock").unlink()
    assert account(cluster.driver.run(*ray_runner())) == "8 stages: 8 restored"
    assert cluster.where() == []


@needs_ray
def test_a_failure_leaves_out_only_what_needs_it_and_says_why(cluster):
    output = cluster.driver.run(*ray_runner("part/dvc.yaml"), succeeds=False)
    assert account(output) == "3 stages: 1 done, 1 failed, 1 left out"
    assert "    error: the level is wrong\n" in output
    assert (cluster.driver.folder / "part/good").read_text() == "source\n"


@needs_ray
def test_a_stage_gets_all_the_gpus_it_asks_for_or_a_sentence_says_that_no_node_has_them(cluster):
    assert account(cluster.driver.run(*ray_runner(f"gpus/dvc.yaml:whole@{GPUS}"))) == "1 stages: 1 done"
    assert sorted((cluster.driver.folder / f"gpus/whole{GPUS}").read_text().strip().split(",")) == ["0", "1"]
    (message,) = errors(cluster.driver.run(*ray_runner("gpus/dvc.yaml"), succeeds=False))
    assert message == "resources: found gpus: 3 for gpus/dvc.yaml:whole@3, but the largest node has 2; set at most 2"


@needs_ray
def test_a_node_with_another_commit_or_other_changes_is_refused(cluster):
    ours, theirs = (cluster.driver.git("rev-parse", "HEAD")[:10], Copy(cluster.folder / "b"))
    (cluster.folder / "a/source").write_text("changed\n")
    theirs.git("commit", "--quiet", "--allow-empty", "--message", "another")
    (message,) = errors(cluster.driver.run(*ray_runner(), succeeds=False))
    assert "node a: its clone has other uncommitted changes than this one" in message
    assert f"node b: its clone is at commit {theirs.git('rev-parse', 'HEAD')[:10]}, this one at {ours}" in message
    theirs.git("reset", "--quiet", "--soft", "HEAD~1")
    Copy(cluster.folder / "a").git("checkout", "--quiet", "source")


@needs_ray
def test_a_stop_lets_the_stages_save_and_a_second_start_continues(cluster):
    process = cluster.driver.start(*ray_runner("count/dvc.yaml"))
    wait_until(lambda: process.poll() is not None or [*cluster.folder.glob("[ab]/count/counting")])
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGINT, output
    assert "1 stages: 1 waiting" in output
    assert 0 < int((cluster.folder / "state").read_text()) < 100
    assert account(cluster.driver.run(*ray_runner("count/dvc.yaml"))) == "1 stages: 1 done"
    assert (cluster.driver.folder / "count/counted").read_text() == "100"


@needs_ray
def test_a_training_whose_node_is_lost_resumes_from_its_checkpoint_on_another(cluster):
    serial = cluster.driver.clone(cluster.folder / "undisturbed")
    serial.repro("train/dvc.yaml")

    process = cluster.driver.start(*ray_runner("train/dvc.yaml"))
    name = wait_until(lambda: process.poll() is not None or node_that_trains(cluster))
    wait_until(lambda: process.poll() is not None or epoch(cluster) >= 10)
    assert process.poll() is None, process.communicate()[0]
    cluster.kill(name)
    reached = epoch(cluster)
    assert reached < 100
    seen = set()
    while process.poll() is None:
        seen.add(epoch(cluster))
        time.sleep(0.05)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert account(output) == "3 stages: 3 done"
    assert f"lost node {name} (" in output
    assert [line.split()[-1] for line in output.splitlines() if line.startswith("started train/dvc.yaml:run ")] == [
        name,
        *({"a", "b"} - {name}),
    ]
    assert min(seen) >= reached  # it went on from there
    assert lock(cluster.driver, "train/dvc.lock") == lock(serial, "train/dvc.lock")
    assert cluster.driver.hashes("run", "corrupted", "raw") == serial.hashes("run", "corrupted", "raw")


def node_that_trains(cluster):
    """The node on which a training runs."""
    for process in psutil.process_iter():
        try:
            if "stages.train" in process.cmdline()[:3] and Path(process.cwd()).parent == cluster.folder:
                return Path(process.cwd()).name
        except (psutil.Error, OSError):
            continue
    return None


def epoch(cluster):
    """How far the newest checkpoint is; 0 where there is none."""
    for path in (cluster.folder / "checkpoints").glob("*.safetensors"):
        return progress(path)["epoch"]
    return 0
