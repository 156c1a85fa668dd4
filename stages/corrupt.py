"""Stage corrupt: change labels or pixels once, before training (paper, section 2.1), and audit the result."""

from rethinking.core import config, registry
from rethinking.core.arguments import path_parser
from rethinking.core.arrays import open_dataset, raw_fingerprint, save_arrays
from rethinking.core.errors import DataError, UsageError, run_stage
from rethinking.core.files import new_folder, read_json, write_json
from rethinking.corruptions.common.request import Request


def main() -> None:
    """Write what the corruption changed, its audit, and the hash of the raw set it belongs to."""
    parser = path_parser(__doc__, "params", "raw", "out")
    parser.add_argument("--name", help="a corruption of the grid such as labels-0.5; without it, the corrupt section's")
    arguments = parser.parse_args()
    parameters = config.load(*arguments.params)
    corruption = parameters.corruption(arguments.name)

    data = open_dataset(arguments.raw)
    parameters.require_large_enough(min(data.train_images.shape[1:3]))
    module = registry.load("corruptions", corruption.kind, "corrupt.kind")
    has_level = getattr(module, "HAS_LEVEL", False)
    if arguments.name and "-" in arguments.name and not has_level:
        raise UsageError(
            f"{parameters.corruptions_key}: '{arguments.name}' has a level, which {corruption.kind} does not take"
        )
    level = corruption.level if has_level else 0.0
    size = parameters.dataset.input_size
    request = Request(level, corruption.seed, size, corruption.test_labels, corruption.labels)
    changed = module.corrupt(data, request)
    description = {"kind": corruption.kind, "level": level, "seed": corruption.seed}
    audit = {**description, **module.audit(data, changed, request)}
    if not audit["ok"]:
        raise DataError(f"the audit of {corruption.kind} at level {level} failed, nothing was written: {audit}")

    meta = {
        "dataset": data.name,
        "raw": raw_fingerprint(read_json(arguments.raw / "meta.json")),
        "corruption": description,
    }
    arrays = {"train_labels": data.train_labels, "train_true_labels": data.train_labels, **changed}
    with new_folder(arguments.out) as folder:
        write_json(folder / "audit.json", audit)
        save_arrays(folder, arrays, meta)
    expected = "" if audit["expected_changed"] is None else f", expected {audit['expected_changed']:.2%}"
    print(f"{arguments.name or corruption.kind}: {audit['changed']:.2%} changed{expected}")


if __name__ == "__main__":
    run_stage(main)
