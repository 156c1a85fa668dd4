"""YAML is read as DVC reads it, or refused in a sentence: value by value, document by document, file by file."""

import datetime
import importlib.util
import tracemalloc
from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import loads_yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rethinking.core import yaml12
from rethinking.core.errors import UsageError
from rethinking.core.files import read_yaml
from tests.conftest import ROOT
from tests.yaml_text import as_yaml

thorough = settings(max_examples=500, deadline=None, derandomize=True)

SCALARS = """
1e-4 1E5 1.e4 1.5e3 1.5e+400 1e999 12e .5 -.5 +.5 .5e3 .5e+3 1. 1.0 -0.0 08.5 1_.5 ._5 . ._ -._ 1.2.3 1,000
0 -0 +1 00 012 089 0o14 -0o14 +0o7 0O14 0o 0o_ 0b101 0b 0b_ 0b12 0x1F -0x1f 0X1F 0x 0x_ 0xg 1_000 1__0 1_ _1 __ +_ - +
1:30 1:30.5 190:20:30 1e5_0 12345678901234567890 ½ ١ １２
true True TRUE tRue false FALSE yes Yes no on off OFF y n Y N
~ null Null NULL nuLL none None .inf -.inf +.INF .Inf .iNf inf .nan .NaN -.nan nan
2020-01-01 2020-1-1 2020-13-45 0000-01-01 10-01-01 << "1" '1' @a `a !foo
!!python/object:os.x !!python/name:os.system
""".split()
SCALARS += """
!!str 1, !!int "12", !!int 012, !!int x, !!int 1.5, !!float 1, !!float x, !!float "", !!bool yes, !!bool x, !!null x
!!timestamp x, !!binary YWJj, ! 1, 1 # one, 1 2, 2020-01-01 10:00:00, 2020-1-1 1:00:00.5 +02:00
""".replace("\n", ", ").split(", ")
PIECES = [*"0123456789abefnxo+-._:eE~T", *"0x 0o 0b .inf .nan 00 __ 1e e- 2020-01- true".split()]


class Refused(str):
    """What a reader says of a text that it does not read."""


def ours(text):
    try:
        return yaml12.load(text)
    except ValueError as error:
        return Refused(error)


def dvcs(text):
    try:
        return loads_yaml(text)
    except Exception as error:  # as its constructors come: ValueError, KeyError, AttributeError and others
        return Refused(error)


def alike(one, other):
    """Whether two readings are the same to the type, or both refusals."""
    if isinstance(one, Refused) or isinstance(other, Refused):
        return type(one) is type(other)
    if isinstance(one, dict) and isinstance(one.get("key"), datetime.datetime):
        return one == other  # whose time zones have different names
    return repr(one) == repr(other)


@pytest.mark.parametrize("text", SCALARS)
def test_a_plain_scalar_is_what_it_is_to_dvc(text):
    assert alike(ours(f"key: {text}"), dvcs(f"key: {text}"))


def test_a_plain_scalar_that_is_nearly_a_number_is_what_it_is_to_dvc():
    @thorough
    @given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join))
    def check(text):
        assert alike(ours(f"key: {text}"), dvcs(f"key: {text}"))

    check()


def test_the_numbers_that_yaml_1_1_reads_otherwise():
    assert ours("[1e-4, 012, 0o14, 0x1F, 1_000, 1:30, off, yes]") == [0.0001, 12, 12, 31, 1000, "1:30", "off", "yes"]
    assert ours("{off: 1, 1e-4: 2}") == {"off": 1, 0.0001: 2}


@st.composite
def documents(draw):
    """Nested lists and mappings with anchors, aliases and merge keys, in one line; many are wrong in some way."""
    anchors = []

    def node(levels, kinds=("scalar", "list", "mapping", "alias")):
        kind = draw(st.sampled_from(kinds if levels else ("scalar", "alias")))
        if kind == "alias" and anchors:
            return f"*{draw(st.sampled_from(anchors))} "
        anchor = draw(st.sampled_from(["", "", "a", "b", "c"]))
        if kind == "list":
            text = f"[{', '.join(node(levels - 1) for _ in range(draw(st.integers(0, 3))))}]"
        elif kind == "mapping":
            keys = draw(st.lists(st.sampled_from(["<<", "a", "b", "c", "1", "1.0", "true", "'<<'", "~"]), max_size=3))
            text = f"{{{', '.join(f'{key}: {value(key, levels)}' for key in keys)}}}"
        else:
            text = draw(st.sampled_from(["1", "0.5", "x", "off", "~", "'1'"]))
        if anchor and anchor not in anchors:
            anchors.append(anchor)
            return f"&{anchor} {text}"
        return text

    def value(key, levels):
        return node(levels - 1, ("list", "mapping", "mapping", "alias") if key == "<<" else ("scalar", "list", "alias"))

    return node(4, ("list", "mapping"))


def test_a_document_is_what_it_is_to_dvc_but_that_no_key_stands_twice():
    @thorough
    @given(documents())
    @example("{a: &a {b: 1, c: 2}, d: {<<: *a , b: 3}}")
    @example("{<<: [{a: 1}, {a: 2, b: 3}], c: {<<: {<<: {d: 1}, e: 2}}}")
    @example("[{<<: &a {<<: {b: 1}, b: 2}}, *a ]")
    def check(text):
        found, expected = ours(text), dvcs(text)
        if isinstance(found, Refused) and not isinstance(expected, Refused):
            assert "stands twice" in found  # which DVC lets pass beside a merge key
            assert "<<:" in text
        else:
            assert alike(found, expected)

    check()


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "---\n...\n", "\ufeffa: 1", "%YAML 1.1\n---\n[yes, 012]", "a: 1\r\nb: 2\r\n"]
)
def test_a_documents_beginning_and_line_ends_are_what_they_are_to_dvc(text):
    assert alike(ours(text), dvcs(text))


def test_every_file_of_the_project_is_what_it_is_to_dvc():
    patterns = ("*.yaml", "*/*.yaml", "*/dvc.lock", "reference/**/*.yaml", "reference/**/dvc.lock")
    paths = [path for pattern in patterns for path in ROOT.glob(pattern)]
    assert ROOT / "paper/claims.yaml" in paths
    for path in paths:
        assert read_yaml(path) == loads_yaml(path.read_text(encoding="utf-8")), path


def test_what_the_tests_write_is_what_is_read():
    values = st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(SCALARS), st.text()
        ),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=5,
    )

    @thorough
    @given(values)
    def check(value):
        assert repr(ours(as_yaml(value))) == repr(value)

    check()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: 1\nb: {", "flow node, did not find expected node content (line 3)"),
        ("a: 1\n\tb: 2", "a tab character that violates indentation (line 2)"),
        ("a: 1\nb: 2\na: 3", "the key 'a' stands twice (line 3)"),
        ("b: {c: {<<: {d: 1,\n d: 2}}}", "the key 'd' stands twice (line 2)"),
        ("1: a\n1.0: b", "the key '1.0' stands twice (line 2)"),
        ("<<: {a: 1}\n<<: {b: 1}", "the key '<<' stands twice (line 2)"),
        ("? [a]\n: 1", "unhashable key (line 1)"),
        ("a: 1\nb: 2020-13-45", "'2020-13-45' is no timestamp (line 2)"),
        ("a: 0b_", "'0b_' is no int (line 1)"),
        ("a: " + "1" * 5000, "is no int (line 1)"),
        ("a: 0x" + "f" * 5000, "is no int (line 1)"),
        ("a: !!python/object/apply:os.mkdir [trace]", "python/object/apply:os.mkdir' (line 1)"),
        ("a: &a\n- *a", "the alias 'a' stands before the end of what it names (line 2)"),
        ("a: &a {<<: *a }", "the alias 'a' stands before the end"),
        ("a: *b", "the alias 'b' stands before the end"),
        ("--- 1\n--- 2", "found another document (line 2)"),
        ("a: \0", "control characters are not allowed"),
        (b"a: \xff", "'utf-8' codec can't decode byte 0xff"),
        ("a: 1".encode("utf-16"), "'utf-8' codec can't decode byte 0xff"),
        *((opening * 100_000, "nested more than 100 levels deep (line 1)") for opening in ("[", "{a: ", "- ", "? ")),
    ],
    ids=lambda value: None if len(value) < 99 else str(value[:9]),
)
def test_a_file_that_is_refused_is_refused_in_a_sentence_that_names_it(tmp_path, content, words):
    path = tmp_path / "some.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is not valid YAML: ")
    assert words in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 200
    assert not Path("trace").exists()


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    for path, reason in ((tmp_path / "absent.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=f"^{path} cannot be read: {reason}"):
            read_yaml(path)


LISTS = "&a0 [x, x]", lambda n, last: f"&a{n} [{last}]"
MAPPINGS = (
    "&a0 {x: 1}",
    lambda n, last: f"&a{n} {{{', '.join(f'k{m}: {each}' for m, each in enumerate(last.split(', ')))}}}",
)
MERGES = "&a0 {x: 1}", lambda n, last: f"&a{n} {{<<: [{last}], k{n}: 1}}"


@pytest.mark.parametrize(("first", "more"), [LISTS, MAPPINGS, MERGES], ids=["lists", "mappings", "merge keys"])
def test_few_lines_that_stand_for_a_billion_values_are_refused_at_once(tmp_path, first, more):
    lines = [first, *(more(n, ", ".join([f"*a{n - 1} "] * 10)) for n in range(1, 40))]
    (tmp_path / "bomb.yaml").write_text("".join(f"- {line}\n" for line in lines))
    tracemalloc.start()
    with pytest.raises(UsageError, match=r"aliases make it more than 1,000,000 values \(line [67]\)"):
        read_yaml(tmp_path / "bomb.yaml")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_a_long_chain_of_merges_is_read_or_refused_in_a_sentence():
    for length in (50, 600):
        chain = "\n".join(f"  - &a{n} {{<<: *a{n - 1}}}" for n in range(1, length))
        text = f"x:\n  y:\n  - &a0 {{q: 1}}\n{chain}\nz: {{<<: *a{length - 1}}}"
        assert ours(text) == "mappings merge one another too deeply" or ours(text)["z"] == {"q": 1}


def test_without_libyaml_the_same_is_read(monkeypatch):
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    spec = importlib.util.spec_from_file_location("yaml12_without_libyaml", yaml12.__file__)
    pure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pure)
    assert issubclass(pure.Loader, yaml.SafeLoader)
    for path in (ROOT / "params.yaml", ROOT / "paper/claims.yaml"):
        assert pure.load(path.read_text(encoding="utf-8")) == read_yaml(path)
    with pytest.raises(ValueError, match="stands twice"):
        pure.load("{a: 1, a: 2}")
    with pytest.raises(ValueError, match="nested more than 100 levels deep"):
        pure.load("[" * 100_000)
