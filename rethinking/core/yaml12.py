"""YAML read by PyYAML as DVC reads it: DVC's reader follows YAML 1.2, PyYAML by itself YAML 1.1.

So `1e-4` is a number, `012` is twelve, `off` and `1:30` are text. Refused is what PyYAML lets pass: a key that stands
twice, and nesting and aliases that would end the process or fill the memory of whoever walks the document.
"""

import re
import reprlib
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader

MOST_LEVELS = 100  # of nesting; PyYAML's parser recurses in C, where too many levels end the process
MOST_ALIASED = 1_000_000  # values, where a document has aliases

_TAG = "tag:yaml.org,2002:"
# Plain scalars that YAML 1.2 reads otherwise than 1.1, and their first characters (ruamel.yaml 0.19.1, resolver.py).
_BOOL = r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"
_INT = r"^[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9_]+)$", "-+0123456789"
_FLOAT = (
    r"""^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
           |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
           |[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?
           |[-+]?\.(?:inf|Inf|INF)
           |\.(?:nan|NaN|NAN))$""",
    "-+0123456789.",
)


class Loader(SafeLoader):
    """PyYAML's safe loader, which makes nothing but plain values, by the rules above."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rules if tag.removeprefix(_TAG) in ("merge", "null", "timestamp")]
        for first, rules in SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: str):
        super().__init__(stream)
        self._flattened: set[yaml.Node] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put the keys that a mapping merges before its own, each of which must stand once."""
        if node in self._flattened:
            return
        self._flattened.add(node)
        keys = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):  # PyYAML refuses the others
                key = key_node.tag if key_node.tag == f"{_TAG}merge" else self.construct_object(key_node)
                if key in keys:
                    raise _fault(f"the key {reprlib.repr(key_node.value)} stands twice", key_node)
                keys.add(key)
        super().flatten_mapping(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node. Raises yaml.YAMLError where its text is none of its kind, such as a 13th month."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError):
            raise _fault(f"{reprlib.repr(node.value)} is no {node.tag.removeprefix(_TAG)}", node) from None

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """An integer, which is octal after `0o` alone."""
        digits = self.construct_scalar(node).replace("_", "")
        value = int(digits, {"0b": 2, "0o": 8, "0x": 16}.get(digits.lstrip("+-")[:2], 10))
        str(value)  # a ValueError where no message could show it
        return value


for _kind, (_pattern, _first) in {"bool": _BOOL, "float": _FLOAT, "int": _INT}.items():
    Loader.add_implicit_resolver(_TAG + _kind, re.compile(_pattern, re.X), list(_first))
Loader.add_constructor(f"{_TAG}int", Loader.construct_yaml_int)


def load(text: str) -> Any:
    """The one document in `text`, None where it is empty. Raises ValueError, with the line where it is known."""
    try:
        _require_bounded(text)
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise ValueError(f"{problem} (line {(error.problem_mark or error.context_mark).line + 1})") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from None
    except RecursionError:
        raise ValueError("mappings merge one another too deeply") from None


def _require_bounded(text: str) -> None:
    """Raise yaml.YAMLError for a document nested too deeply, or whose aliases stand for themselves or for too much."""
    size = 0  # of the document so far, in values, with those behind aliases
    sizes: dict[str | None, int] = {}  # of what each anchor names
    opened: list[tuple[str | None, int]] = []  # anchors, and the size before them
    for event in yaml.parse(text, Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise _fault(f"the alias '{event.anchor}' stands before the end of what it names", event)
            size += sizes[event.anchor]
            if size > MOST_ALIASED:
                raise _fault(f"aliases make it more than {MOST_ALIASED:,} values", event)
        elif isinstance(event, yaml.ScalarEvent):
            size += 1
            sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, size))
            size += 1
            if len(opened) > MOST_LEVELS:
                raise _fault(f"nested more than {MOST_LEVELS} levels deep", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            sizes[anchor] = size - before


def _fault(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)
