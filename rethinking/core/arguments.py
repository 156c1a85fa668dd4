"""The command line of stages and tools: paths, which have the same name wherever they mean the same."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path


def path_parser(description: str | None, *required: str, **defaults: str) -> ArgumentParser:
    """A parser of these options, each a path: the required ones, and those that have a default.

    `params` takes several files, a later one over an earlier one, and is params.yaml where it is not given.
    """
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    for name in required:
        if name == "params":
            parser.add_argument("--params", type=Path, nargs="+", default=[Path("params.yaml")])
        else:
            parser.add_argument(f"--{name}", type=Path, required=True)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=Path, default=Path(default))
    return parser
