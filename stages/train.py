"""Stage train: one architecture on one data set by the paper's recipe (section 3), resumable, repeatable to the bit."""

import argparse
import signal
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from stages import config
from stages.data.arrays import open_dataset
from stages.engine.device import select_device
from stages.engine.training import Outcome, Stopped, summarise, train
from stages.errors import DataError, Interrupted, run_stage
from stages.files import new_folder, write_csv, write_json
from stages.interrupts import StopFlag
from stages.live import ProgressBar, followers
from stages.models import parameter_count
from stages.provenance import fingerprint
from stages.run import description, network, problem_of, recipe_of
from stages.workspace import checkpoints_folder, main_copy


def main() -> None:
    """Train, following the curves live, and write weights, metrics and curves as one folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--arch", required=True)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    parameters = config.load(arguments.params)
    arch = arguments.arch
    recipe = recipe_of(parameters, arch)
    device = select_device(parameters.train.device, parameters.train.deterministic)
    data = open_dataset(arguments.data, arguments.raw)
    key = run_key(arguments.params, arch, data.fingerprint, device)
    checkpoint = checkpoints_folder() / f"{key}.safetensors"
    model = network(parameters, arch, data).to(device)
    problem = problem_of(parameters, arch, data, device)

    name = arguments.out.as_posix()
    steps = recipe.epochs * -(-len(data.train_labels) // recipe.batch_size)
    bar = ProgressBar(name, steps)
    folder = main_copy() / "live" / arguments.out
    live = followers(parameters.train.live, parameters.train.mirror, name, folder, description(parameters, arch))

    every = parameters.train.checkpoint_every

    def on_epoch(row: dict[str, Any]) -> None:
        for follower in (bar, *live):
            follower.log(row)

    with StopFlag() as stop:
        try:
            outcome = train(model, problem, recipe, checkpoint, every, stop, bar.step, on_epoch)
        except Stopped:
            message = f"{name} was stopped after its state was saved; run the same command again to continue it"
            raise Interrupted(message, stop.signal_number or signal.SIGINT) from None
        finally:
            for follower in (bar, *live):
                follower.close()
    if run_key(arguments.params, arch, data.fingerprint, device) != key:
        raise DataError(f"code or parameters changed while {name} trained; nothing was written, run it again")

    metrics = {
        "arch": arch,
        "dataset": data.name,
        "corruption": dict(data.corruption),
        "seed": recipe.seed,
        "parameters": parameter_count(model),
        **summarise(outcome),
    }
    with new_folder(arguments.out) as folder:
        _write_run(folder, model, metrics, outcome, key)


def run_key(params: Path, arch: str, data_fingerprint: str, device: torch.device) -> str:
    """A hash of all that determines the run; it names the checkpoint, so that a changed parameter resumes nothing."""
    modules = ["stages.train", f"stages.models.{arch}".replace("/", ".")]
    run = description(config.load(params), arch)
    return fingerprint(modules, run=run, data=data_fingerprint, torch=torch.__version__, device=device.type)


def _write_run(folder: Path, model: torch.nn.Module, metrics: dict[str, Any], outcome: Outcome, key: str) -> None:
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", {"run": key})
    write_json(folder / "metrics.json", metrics)
    write_csv(folder / "curves.csv", outcome.rows)
    write_csv(folder / "steps.csv", outcome.windows)


if __name__ == "__main__":
    run_stage(main)
