"""Stage kernel: exact Gaussian-kernel interpolation of true and of random labels (paper, section 5)."""

import resource
import time

from rethinking.core.arguments import path_parser
from rethinking.core.arrays import open_dataset
from rethinking.core.errors import UsageError, run_stage
from rethinking.core.files import new_folder, seal, write_json
from rethinking.core.registry import did_you_mean
from rethinking.core.tables import write_table
from rethinking.theory.common.config import load_theory
from rethinking.theory.common.device import exact_device
from rethinking.theory.kernels.labels import interpolate_labels


def main() -> None:
    """Write result.json, an entry for each labelling, and search.csv; print the time and memory it took."""
    parser = path_parser(__doc__, "params", "raw", "out")
    parser.add_argument("--name", required=True, help="a kernel of theory.kernel")
    arguments = parser.parse_args()
    started = time.perf_counter()
    name, theory = arguments.name, load_theory(*arguments.params)
    if name not in theory.kernel:
        raise UsageError(f"theory.kernel: no kernel '{name}'{did_you_mean(name, theory.kernel)}")
    data = open_dataset(arguments.raw)
    results, trials = interpolate_labels(theory.kernel[name], data, theory.seed, exact_device(theory.device))
    named = [{"dataset": data.name, "features": name, **result} for result in results]
    with new_folder(arguments.out) as folder:
        write_json(folder / "result.json", named)
        write_table(folder / "search.csv", [trial._asdict() for trial in trials])
        seal(folder, {"data": data.fingerprint})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{arguments.out}: {time.perf_counter() - started:.0f} s, peak memory {peak:.1f} GiB")


if __name__ == "__main__":
    run_stage(main)
