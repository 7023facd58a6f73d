"""Layers of a logging configuration: read from YAML with the place of every value, and laid one over another.

`yaml.safe_load` keeps no line numbers and lets the last of two equal keys win in silence, so the nodes are read here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import yaml
from django.core.exceptions import ImproperlyConfigured

# libyaml's reader takes a tenth of the time, at each start; PyYAML has it in its wheels, not everywhere else.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAPPING, _SEQUENCE, _MERGE = (f"tag:yaml.org,2002:{tag}" for tag in ("map", "seq", "merge"))
_variable = re.compile(r"\$\{(\w+)\}")


class Origin(NamedTuple):
    """Where a value is written; as text `logging.yaml:42 base`. One that is in no file has the line 0."""

    file: str
    line: int
    layer: str

    def __str__(self) -> str:
        return f"{PurePath(self.file).name}:{self.line} {self.layer}" if self.line else self.layer

    @property
    def place(self) -> str:
        """The file and the line, as an editor or a terminal opens it."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a layer, and where it is written; nothing changes it.

    The values of a mapping are entries again; a list is one value as a whole. An entry whose value is None takes away
    what lies under it: it stays, so that a mistake can name who took something away, and `plain()` leaves it out.
    """

    value: Any
    origin: Origin

    def at(self, *path: Any) -> "Entry | None":  # noqa: ANN401 - keys of any YAML
        """The entry under these keys, or None where there is none or it was taken away."""
        entry: Entry | None = self
        for key in path:
            entry = entry.value.get(key) if entry is not None and isinstance(entry.value, dict) else None
        return entry if entry is not None and entry.value is not None else None

    def items(self) -> "dict[Any, Entry]":
        """The entries of a mapping that were not taken away; none where this is no mapping."""
        entries: dict[Any, Entry] = self.value if isinstance(self.value, dict) else {}
        return {key: entry for key, entry in entries.items() if entry.value is not None}

    def plain(self) -> Any:  # noqa: ANN401 - any YAML
        """The value without its places, as dictConfig wants it."""
        if not isinstance(self.value, dict):
            return self.value
        return {key: entry.plain() for key, entry in self.items().items()}


def read_layers(path: Path, file: str) -> dict[str, Entry]:
    """The layers of a file by their names; `file` is how messages name it.

    Raises `ImproperlyConfigured` for a file that cannot be read, is no YAML, has a key twice in one mapping or a layer
    that is no mapping.
    """
    document = _Document(path, file)
    if not isinstance(document.root, yaml.MappingNode):
        raise ImproperlyConfigured(f"{file} has no layers: it is a mapping of layers, each a part of LOGGING.")
    pairs = document.pairs(document.root)
    return {str(name): _layer(document.entry(node, line, str(name))) for name, (line, node) in pairs.items()}


def read_layer(path: Path, file: str, name: str) -> Entry:
    """The one layer that a file holds, called `name`; an empty file is one without values. Raises as `read_layers`."""
    document = _Document(path, file)
    return _layer(document.entry(document.root, 1, name) if document.root else Entry(None, Origin(file, 1, name)))


def merge(lower: Entry, upper: Entry) -> Entry:
    """`upper` over `lower`: mappings merge, lists and values replace, null takes an entry away."""
    if not isinstance(upper.value, dict) or not isinstance(lower.value, dict):
        return upper
    merged = dict(lower.value)
    for key, entry in upper.value.items():
        merged[key] = merge(merged[key], entry) if key in merged else entry
    return Entry(merged, lower.origin)


def fill(entry: Entry, variables: Mapping[str, str]) -> Entry:
    """The entry with each `${NAME}` replaced by the variable; one that there is not raises `ImproperlyConfigured`."""
    if isinstance(entry.value, dict):
        return Entry({key: fill(each, variables) for key, each in entry.value.items()}, entry.origin)
    return Entry(_filled(entry.value, variables, entry.origin), entry.origin)


def _filled(value: Any, variables: Mapping[str, str], origin: Origin) -> Any:  # noqa: ANN401 - any YAML
    if isinstance(value, list):
        return [_filled(item, variables, origin) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, variables, origin) for key, item in value.items()}
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        if match[1] not in variables:
            raise ImproperlyConfigured(f"{origin.place}: uses {match[0]}: there are {', '.join(sorted(variables))}.")
        return variables[match[1]]

    return _variable.sub(replacement, value)


def _layer(entry: Entry) -> Entry:
    if entry.value is None:
        return Entry({}, entry.origin)
    if not isinstance(entry.value, dict):
        message = f"the layer {entry.origin.layer!r} is no mapping: it is a part of a LOGGING dictionary"
        raise ImproperlyConfigured(f"{entry.origin.place}: {message}.")
    return entry


class _Document:
    """The nodes of one YAML file, while its layers are read; `root` is None for an empty one."""

    def __init__(self, path: Path, file: str) -> None:
        self._file = file
        try:
            self._loader = _Loader(path.read_text(encoding="utf-8"))
            self.root = self._loader.get_single_node()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
            raise ImproperlyConfigured(f"{file} cannot be read: {reason}.") from error
        except yaml.YAMLError as error:
            raise self._no_yaml(error, 0) from error
        if self.root:
            self._require_single_keys(self.root, (), set())

    def entry(self, node: yaml.Node, line: int, layer: str) -> Entry:
        """The entry of a node whose key stands in this line."""
        value: Any
        if isinstance(node, yaml.MappingNode) and node.tag == _MAPPING:
            value = {name: self.entry(each, at, layer) for name, (at, each) in self.pairs(node).items()}
        elif isinstance(node, yaml.SequenceNode) and node.tag == _SEQUENCE:
            value = [self.entry(each, line, layer).plain() for each in node.value]
        else:
            value = self._constructed(node)
        return Entry(value, Origin(self._file, line, layer))

    def pairs(self, node: yaml.MappingNode) -> dict[Any, tuple[int, yaml.Node]]:
        """The line and the value of each key; what `<<` merges in lies under the mapping's own keys."""
        try:
            self._loader.flatten_mapping(node)
        except yaml.YAMLError as error:
            raise self._no_yaml(error, _line(node)) from error
        return {self._constructed(key): (_line(key), value) for key, value in node.value}

    def _require_single_keys(self, node: yaml.Node, around: tuple[yaml.Node, ...], seen: set[int]) -> None:
        """Refuse a key that stands twice in a mapping, and what has no end, before `<<` adds keys of other mappings."""
        if node in around:
            raise ImproperlyConfigured(f"{self._file}:{_line(node)}: holds itself, by * and its &.")
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            return
        seen.add(id(node))
        is_mapping = isinstance(node, yaml.MappingNode)
        lines: dict[Any, int] = {}
        for key, _ in node.value if is_mapping else ():
            name = self._key(key)
            if name in lines:
                what = f"the key {name!r} stands twice in one mapping, in line {lines[name]} and in line {_line(key)}"
                raise ImproperlyConfigured(f"{self._file}:{_line(key)}: {what}.")
            lines[name] = _line(key)
        for each in [value for _, value in node.value] if is_mapping else node.value:
            self._require_single_keys(each, (*around, node), seen)

    def _key(self, node: yaml.Node) -> Any:  # noqa: ANN401 - any YAML
        if not isinstance(node, yaml.ScalarNode):
            raise ImproperlyConfigured(f"{self._file}:{_line(node)}: a key that is a list or a mapping.")
        return node.value if node.tag == _MERGE else self._constructed(node)

    def _constructed(self, node: yaml.Node) -> Any:  # noqa: ANN401 - any YAML
        try:
            return self._loader.construct_object(node, deep=True)
        except yaml.YAMLError as error:
            raise self._no_yaml(error, _line(node)) from error
        except ValueError as error:
            raise ImproperlyConfigured(f"{self._file}:{_line(node)}: cannot be read as YAML: {error}.") from error

    def _no_yaml(self, error: yaml.YAMLError, line: int) -> ImproperlyConfigured:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else line
        place = f"{self._file}:{line}" if line else self._file
        return ImproperlyConfigured(f"{place}: cannot be read as YAML: {getattr(error, 'problem', None) or error}.")


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1
