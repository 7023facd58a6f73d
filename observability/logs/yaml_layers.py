"""Layers of a logging configuration: load them from YAML with the origin of each value, and merge them.

`yaml.safe_load` loses the line numbers, and silently uses the last one of duplicate keys. So this module reads the YAML
nodes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import yaml
from django.core.exceptions import ImproperlyConfigured

# libyaml is ten times faster, which shortens each start. PyYAML's wheels include it; other builds may not.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAPPING, _SEQUENCE, _MERGE = (f"tag:yaml.org,2002:{tag}" for tag in ("map", "seq", "merge"))
_variable = re.compile(r"\$\{(\w+)\}")


class Origin(NamedTuple):
    """The file, line and layer of a value; as text `logging.yaml:42 base`. Without a file, the line is 0."""

    file: str
    line: int
    layer: str

    def __str__(self) -> str:
        return f"{PurePath(self.file).name}:{self.line} {self.layer}" if self.line else self.layer

    @property
    def place(self) -> str:
        """The file and the line, in the form that editors and terminals make a link of."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a layer and its origin. Immutable.

    The values of a mapping are entries too. A list is a single value. An entry with the value None removes the entry of
    a lower layer. It is kept in the merged entry, so that a lint error can name its origin; `to_plain()` leaves it out.
    """

    value: object
    origin: Origin

    def find(self, *path: object) -> "Entry | None":
        """Return the entry under these keys; None if it does not exist or was removed."""
        entry: Entry | None = self
        for key in path:
            entry = entry.value.get(key) if entry is not None and isinstance(entry.value, dict) else None
        return entry if entry is not None and entry.value is not None else None

    def entries(self) -> "dict[object, Entry]":
        """Return the entries of a mapping without the removed ones; empty if the value is not a mapping."""
        entries: dict[object, Entry] = self.value if isinstance(self.value, dict) else {}
        return {key: entry for key, entry in entries.items() if entry.value is not None}

    def to_plain(self) -> Any:  # noqa: ANN401 - any YAML
        """Return the value without origins, for dictConfig."""
        if not isinstance(self.value, dict):
            return self.value
        return {key: entry.to_plain() for key, entry in self.entries().items()}


def load_layers(path: Path, file: str) -> dict[str, Entry]:
    """Return the layers of a file by name. `file` is the name of the file in messages.

    Raises `ImproperlyConfigured` if the file cannot be read or is not YAML, if a mapping has the same key twice, or if
    a layer is not a mapping.
    """
    document = _Document(path, file)
    if not isinstance(document.root, yaml.MappingNode):
        raise ImproperlyConfigured(f"{file} has no layers. Allowed: a mapping of layer names to parts of LOGGING.")
    pairs = document.pairs(document.root)
    return {str(name): _require_mapping(document.entry(node, line, str(name))) for name, (line, node) in pairs.items()}


def load_layer(path: Path, file: str, name: str) -> Entry:
    """Return the content of a file as one layer with this name. Raises the same exceptions as `load_layers`."""
    document = _Document(path, file)
    return _require_mapping(
        document.entry(document.root, 1, name) if document.root else Entry(None, Origin(file, 1, name))
    )


def merge(lower: Entry, upper: Entry) -> Entry:
    """Merge `upper` over `lower`: mappings are merged, lists and values are replaced, null removes an entry."""
    if not isinstance(upper.value, dict) or not isinstance(lower.value, dict):
        return upper
    merged = dict(lower.value)
    for key, entry in upper.value.items():
        merged[key] = merge(merged[key], entry) if key in merged else entry
    return Entry(merged, lower.origin)


def fill_variables(entry: Entry, variables: Mapping[str, str]) -> Entry:
    """Replace each `${NAME}` with the variable. Raises `ImproperlyConfigured` for an unknown variable."""
    if isinstance(entry.value, dict):
        return Entry({key: fill_variables(each, variables) for key, each in entry.value.items()}, entry.origin)
    return Entry(_fill(entry.value, variables, entry.origin), entry.origin)


def _fill(value: object, variables: Mapping[str, str], origin: Origin) -> object:
    if isinstance(value, list):
        return [_fill(item, variables, origin) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, variables, origin) for key, item in value.items()}
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        if match[1] not in variables:
            raise ImproperlyConfigured(
                f"{origin.place}: the variable {match[0]} is not defined. Available: {', '.join(sorted(variables))}."
            )
        return variables[match[1]]

    return _variable.sub(replacement, value)


def _require_mapping(entry: Entry) -> Entry:
    if entry.value is None:
        return Entry({}, entry.origin)
    if not isinstance(entry.value, dict):
        message = (
            f"layer {entry.origin.layer!r} is not a mapping. Allowed: a part of LOGGING, such as root: {{level: DEBUG}}"
        )
        raise ImproperlyConfigured(f"{entry.origin.place}: {message}.")
    return entry


class _Document:
    """The nodes of a YAML file while its layers are loaded. `root` is None if the file is empty."""

    def __init__(self, path: Path, file: str) -> None:
        self._file = file
        try:
            self._loader = _Loader(path.read_text(encoding="utf-8"))
            self.root = self._loader.get_single_node()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ImproperlyConfigured(f"{file} cannot be read: {reason}.") from error
        except yaml.YAMLError as error:
            raise self._yaml_error(error, 0) from error
        if self.root:
            self._require_unique_keys(self.root, (), set())

    def entry(self, node: yaml.Node, line: int, layer: str) -> Entry:
        """Return the entry of a node. `line` is the line of its key."""
        value: object
        if isinstance(node, yaml.MappingNode) and node.tag == _MAPPING:
            value = {name: self.entry(each, at, layer) for name, (at, each) in self.pairs(node).items()}
        elif isinstance(node, yaml.SequenceNode) and node.tag == _SEQUENCE:
            value = [self.entry(each, line, layer).to_plain() for each in node.value]
        else:
            value = self._construct(node)
        return Entry(value, Origin(self._file, line, layer))

    def pairs(self, node: yaml.MappingNode) -> dict[object, tuple[int, yaml.Node]]:
        """Return the line and the value of each key. Keys of the mapping replace keys that `<<` merges."""
        try:
            self._loader.flatten_mapping(node)
        except yaml.YAMLError as error:
            raise self._yaml_error(error, _line(node)) from error
        return {self._construct(key): (_line(key), value) for key, value in node.value}

    def _require_unique_keys(self, node: yaml.Node, parents: tuple[yaml.Node, ...], seen: set[int]) -> None:
        """Raise for duplicate keys and recursive nodes. This runs before `<<` adds the keys of other mappings."""
        if node in parents:
            raise ImproperlyConfigured(
                f"{self._file}:{_line(node)}: contains itself: the alias (*) is inside the node with the anchor (&)."
            )
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            return
        seen.add(id(node))
        is_mapping = isinstance(node, yaml.MappingNode)
        lines: dict[object, int] = {}
        for key, _ in node.value if is_mapping else ():
            name = self._simple_key(key)
            if name in lines:
                problem = f"duplicate key {name!r}, in lines {lines[name]} and {_line(key)} of one mapping"
                raise ImproperlyConfigured(f"{self._file}:{_line(key)}: {problem}.")
            lines[name] = _line(key)
        for each in [value for _, value in node.value] if is_mapping else node.value:
            self._require_unique_keys(each, (*parents, node), seen)

    def _simple_key(self, node: yaml.Node) -> object:
        if not isinstance(node, yaml.ScalarNode):
            raise ImproperlyConfigured(
                f"{self._file}:{_line(node)}: a key is a list or a mapping. Allowed: a text, a number or a boolean."
            )
        return node.value if node.tag == _MERGE else self._construct(node)

    def _construct(self, node: yaml.Node) -> object:
        try:
            return self._loader.construct_object(node, deep=True)
        except yaml.YAMLError as error:
            raise self._yaml_error(error, _line(node)) from error
        except ValueError as error:
            raise ImproperlyConfigured(f"{self._file}:{_line(node)}: cannot be read as YAML: {error}.") from error

    def _yaml_error(self, error: yaml.YAMLError, line: int) -> ImproperlyConfigured:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else line
        place = f"{self._file}:{line}" if line else self._file
        return ImproperlyConfigured(f"{place}: cannot be read as YAML: {getattr(error, 'problem', None) or error}.")


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1
