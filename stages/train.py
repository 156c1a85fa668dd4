"""Stage train: one architecture on one data set by the paper's recipe (section 3), resumable, repeatable to the bit."""

from pathlib import Path

from safetensors.torch import save
from torch import nn

from rethinking.core import config
from rethinking.core.arguments import path_parser
from rethinking.core.arrays import open_dataset
from rethinking.core.config import Parameters
from rethinking.core.errors import DataError, run_stage
from rethinking.core.files import new_folder, seal, write_json
from rethinking.core.interrupts import StopFlag, Stopped
from rethinking.core.run_name import RunName
from rethinking.core.tables import write_table
from rethinking.core.workspace import checkpoint_file
from rethinking.models.parts.network import parameter_count
from rethinking.training.device import select_device
from rethinking.training.live import ProgressBar, followed
from rethinking.training.loop import Outcome, summarise, train
from rethinking.training.problem import Problem, network, problem_of
from rethinking.training.recipe import description, recipe_of
from rethinking.training.run_key import run_key


def main() -> None:
    """Train, following the curves live, and write weights, metrics and curves as one folder."""
    parser = path_parser(__doc__, "params", "raw", "data", "out")
    parser.add_argument("--arch", required=True)
    parser.add_argument("--variant", help="plain, or random_crop, augmentation, weight_decay, batch_size-N joined by +")
    parser.add_argument("--seed", type=int, help="instead of train.seed")
    arguments = parser.parse_args()
    run = RunName(arguments.arch, variant=arguments.variant, seed=arguments.seed)
    with StopFlag() as stop:
        train_and_write(arguments.params, run, arguments.raw, arguments.data, arguments.out, stop)


def train_and_write(params: list[Path], run: RunName, raw: Path, corrupted: Path, out: Path, stop: StopFlag) -> None:
    """Train the run's network on a corrupted set and write it, unless its code or parameters changed meanwhile."""
    arch, parameters = run.arch, config.load(*params).of_run(run)
    device = select_device(parameters.train.device, parameters.train.deterministic)
    data = open_dataset(corrupted, raw)
    key = run_key(parameters, arch, data.fingerprint, device)
    model = network(parameters, arch, data).to(device)
    problem = problem_of(parameters, arch, data, device)
    outcome = followed_training(parameters, arch, model, problem, key, out, stop)
    if run_key(config.load(*params).of_run(run), arch, data.fingerprint, device) != key:
        raise DataError(f"code or parameters changed while {out} trained; nothing was written, run it again")

    metrics = {
        "arch": arch,
        "dataset": data.name,
        "corruption": dict(data.corruption),
        "seed": parameters.train.seed,
        "parameters": parameter_count(model),
        "train_size": len(data.train_labels),
        **summarise(outcome),
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with new_folder(out) as folder:
        (folder / "model.safetensors").write_bytes(save(weights))
        write_json(folder / "metrics.json", metrics)
        write_table(folder / "curves.csv", outcome.rows)
        write_table(folder / "steps.csv", outcome.windows)
        seal(folder, {"recipe": description(parameters, arch), "data": data.fingerprint})


def followed_training(
    parameters: Parameters, arch: str, model: nn.Module, problem: Problem, key: str, out: Path, stop: StopFlag
) -> Outcome:
    """Train from the checkpoint of that key, if there is one, while the curves can be watched.

    Raises Interrupted, after the state was saved, when a signal came.
    """
    recipe = recipe_of(parameters, arch)
    checkpoint = checkpoint_file(out, key)
    bar = ProgressBar(out.as_posix(), recipe.epochs * -(-len(problem.train_labels) // recipe.batch_size))
    settings = parameters.train
    with followed(bar, settings, out, description(parameters, arch)) as on_epoch:
        try:
            return train(
                model,
                problem,
                recipe,
                checkpoint,
                settings.checkpoint_every,
                stop_requested=stop,
                on_step=bar.step,
                on_epoch=on_epoch,
                cuda_graph=settings.cuda_graph == "auto",
            )
        except Stopped:
            raise stop.interruption(out) from None


if __name__ == "__main__":
    run_stage(main, watched=(".py",))  # of the parameters, it compares those that the run depends on
