"""YAML as the tests write it: block by block, with quotes where DVC would take a plain text for something else."""

from typing import Any

import yaml

from rethinking.core.yaml12 import Loader


class Dumper(yaml.SafeDumper):
    """PyYAML's, by the rules of YAML 1.2."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers


def as_yaml(document: Any) -> str:
    """The text of a document."""
    return yaml.dump(document, Dumper=Dumper, sort_keys=False)
