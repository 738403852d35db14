"""Read configuration files strictly: what YAML accepts in silence and means otherwise is refused.

Snakemake reads the files, too, with YAML's usual leniency: of two keys with one name the last
counts, ``010`` is 8, and an alias may refer to itself.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.core.errors import NetliftError
from netlift.workflow.plain import MAX_DEPTH, MAX_VALUES, OTHER_BASE, shown

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node

MAX_BYTES = 500_000
"""The default configuration has 8,000 bytes."""

_UTF_16_OR_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


def check_files(paths: Sequence[str | Path]) -> None:
    """Check configuration files before they are merged.

    Raises
    ------
    NetliftError
        A file cannot be read, is no YAML or JSON with keys at the top level, or is ambiguous: all
        problems of all files at once, each with its line.
    """
    problems = [f"{path}: {text}" for path in paths for text in file_problems(Path(path))]
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise NetliftError(f"configuration files cannot be used as they are:\n{lines}")


def check_command_line(files: Sequence[str | Path], values: Sequence[str]) -> None:
    """Check ``--configfile`` and ``--config`` before Snakemake reads them.

    Parameters
    ----------
    files
        Paths of configuration files.
    values
        As on the command line, ``key=value``; a value can be a mapping or list in YAML.

    Raises
    ------
    NetliftError
        As for ``check_files``, or a value is not of this form.
    """
    check_files(files)
    problems = [text for value in values for text in _value_problems(value)]
    if problems:
        raise NetliftError("--config cannot be used as it is:\n" + "\n".join(problems))


def _value_problems(value: str) -> Iterator[str]:
    """Yield what is wrong with ``key=value``."""
    key, equals, text = value.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w-]*\w", key):
        yield f"  - {shown(value)}: write --config key=value"
    elif text.lstrip().startswith(("{", "[", "&")):
        yield from (f"  - {key}: {problem}" for problem in text_problems(f"{key}: {text}"))


def file_problems(path: Path) -> Iterator[str]:
    """Yield what is wrong with a configuration file, with lines; nothing if it can be used."""
    try:
        yield from text_problems(_text(path))
    except NetliftError as error:
        yield str(error)


def text_problems(text: str) -> Iterator[str]:
    """Yield what is wrong with a configuration in YAML or JSON."""
    import yaml

    try:
        yield from _json_problems(text)
        return
    except ValueError:
        pass
    except RecursionError:
        yield _TOO_DEEP
        return
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        yield from _tree_problems(node)
    except yaml.YAMLError as error:
        yield _yaml_error(error, text)
    except RecursionError:
        yield _TOO_DEEP


_TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"


def _text(path: Path) -> str:
    """Return the text of a file in UTF-8.

    Raises
    ------
    NetliftError
        There is no such file, or it is too large, or it has another encoding.
    """
    if path.is_dir():
        raise NetliftError("is a folder; give a file")
    if not path.exists():
        raise NetliftError("there is no such file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NetliftError(f"cannot be read ({error.strerror})") from error
    if len(content) > MAX_BYTES:
        raise NetliftError(f"has {len(content):,} bytes; a configuration has at most {MAX_BYTES:,}")
    if content.startswith(_UTF_16_OR_32) or b"\0" in content[:4]:
        raise NetliftError("is UTF-16 or UTF-32 text, or no text; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise NetliftError(
            f"line {line}: the byte 0x{byte:02x} is no UTF-8; save it as UTF-8"
        ) from error


def _json_problems(text: str) -> Iterator[str]:
    """Yield keys that occur twice in a JSON object.

    Raises
    ------
    ValueError
        The text is not JSON.
    """
    twice: list[str] = []

    def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend(name for name in dict.fromkeys(names) if names.count(name) > 1)
        return dict(pairs)

    value = json.loads(text, object_pairs_hook=noted)
    if not isinstance(value, dict):
        yield _NO_KEYS
    yield from (f"the key {shown(name)} is given twice in one mapping; keep one" for name in twice)


_NO_KEYS = "has no keys at the top level; write key: value (a file without any key is no overlay)"


def _yaml_error(error: Exception, text: str) -> str:
    """Describe an error of the YAML parser."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    position = getattr(error, "position", None)
    line = mark.line + 1 if mark else text.count("\n", 0, position or 0) + 1
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "is no YAML"
    lines = text.splitlines()
    tab = line <= len(lines) and "\t" in lines[line - 1]
    hint = "; indent with spaces, not with tabs" if tab else ""
    return f"line {line}: {problem}{hint}"


def _tree_problems(node: Node | None) -> Iterator[str]:
    """Yield what is wrong with a document; the tree is measured before anything is built of it."""
    import yaml

    if not isinstance(node, yaml.MappingNode):
        yield _NO_KEYS
        return
    try:
        _expanded_size(node, {}, ())
    except NetliftError as error:
        yield str(error)
        return
    problems = list(_node_problems(node, (), set()))
    yield from problems
    if not problems:
        yield from _construction_problems(node)


def _construction_problems(node: Node) -> Iterator[str]:
    """Yield values that are none, such as the 45th day of a month, and tags that are not known."""
    import yaml

    try:
        yaml.SafeLoader("").construct_document(node)
    except yaml.YAMLError as error:
        yield _yaml_error(error, "")
    except (ValueError, TypeError, OverflowError) as error:
        yield f"a value cannot be read ({shown(str(error))}); put text in quotes"


def _expanded_size(node: Node, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """Return the number of values of a node with all its aliases written out.

    Raises
    ------
    NetliftError
        An alias refers to a mapping or list that contains it, or the number is too large.
    """
    line = node.start_mark.line + 1
    if id(node) in above:
        raise NetliftError(f"line {line}: this anchor contains an alias of itself")
    if len(above) > MAX_DEPTH:
        raise NetliftError(f"line {line}: {_TOO_DEEP}")
    if id(node) not in sizes:
        inside = (*above, id(node))
        size = 1 + sum(_expanded_size(child, sizes, inside) for child in _children(node))
        if size > MAX_VALUES:
            raise NetliftError(
                f"line {line}: more than {MAX_VALUES:,} values, with aliases written out"
            )
        sizes[id(node)] = size
    return sizes[id(node)]


def _children(node: Node) -> list[Node]:
    if isinstance(node.value, str):
        return []
    return [
        part for child in node.value for part in (child if isinstance(child, tuple) else (child,))
    ]


def _node_problems(node: Node, path: tuple[str, ...], seen: set[int]) -> Iterator[str]:
    """Yield problems below a node, each anchor once."""
    import yaml

    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield from _key_problems(node, path)
        for key, value in node.value:
            yield from _node_problems(value, (*path, str(key.value)), seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _node_problems(item, path, seen)
    elif isinstance(node, yaml.ScalarNode):
        yield from _number_problems(node, path)


def _key_problems(node: MappingNode, path: tuple[str, ...]) -> Iterator[str]:
    """Yield keys that are given twice, and keys that are no text."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        name = ".".join((*path, str(key.value)))
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.tag != "tag:yaml.org,2002:str":
            kind = key.tag.rsplit(":", 1)[-1]
            yield f"line {line}: {shown(name)}: this key is no text ({kind}); put it in quotes"
        elif name == "__use_yte__":
            yield f"line {line}: {name}: a configuration is plain YAML, without templates"
        elif name in lines:
            first = lines[name]
            yield f"line {line}: {shown(name)} is given twice (first in line {first}); keep one"
        lines.setdefault(name, line)


def _number_problems(node: Node, path: tuple[str, ...]) -> Iterator[str]:
    """Yield plain numbers that YAML reads with another base than people do."""
    if node.tag.endswith((":int", ":float")) and OTHER_BASE.fullmatch(node.value):
        line, name = node.start_mark.line + 1, ".".join(path)
        yield (
            f"line {line}: {shown(name)}: YAML reads {shown(node.value)} with base 8 or 60; write "
            "a decimal number, or put text in quotes"
        )
