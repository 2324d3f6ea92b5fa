"""Image sets in parquet files, in the layout of Hugging Face.

Encoded images are in a column of bytes, or of structs with a field `bytes`. Files whose name, or whose
folder's name, starts with `test` are the test split, if there are other files too. All others are training
images, also those of a published validation split.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data.encoded import EncodedImages
from evo_bnas.data.paths import data_path, files_hash, find_files
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Source
from evo_bnas.errors import UsageError, suggestion

if TYPE_CHECKING:
    import pyarrow

_SUFFIX = ".parquet"
_SPLITS = ("train", "test", "validation")  # names of folders
_ROWS = 256  # read at once


def open_source(settings: DataSettings) -> Source:
    """The images in a parquet file or a folder of them; raises UsageError if they are not an image set."""
    return _open(settings).source(settings)


def _open(settings: DataSettings) -> EncodedImages:
    """The images, labels and class names in the files; only labels are read."""
    root = data_path(settings)
    paths = _paths(root, settings)
    schemas = [_schema(path) for path in paths]
    names = _class_names(schemas[0], paths[0])
    for path, schema in zip(paths, schemas, strict=True):
        if _class_names(schema, path) != names:
            raise UsageError(f"{path}: has other class names than {paths[0]}; use files of one data set")
    images = {
        path: _image_column(schema, path, settings) for path, schema in zip(paths, schemas, strict=True)
    }
    label = _label_column(schemas[0], names, paths[0], settings)
    columns = [_column(path, label) for path in paths]
    counts = [len(column) for column in columns]
    values = [value for column in columns for value in column]
    ends = np.cumsum(counts)

    def name(number: int) -> str:
        file = int(np.searchsorted(ends, number, side="right"))
        return f"{paths[file]}: row {number - ends[file] + counts[file]}"

    if not values:
        raise UsageError(f"data.path {settings.path}: the parquet files contain no rows")
    classes, labels = _labels(values, names.get(label), name)
    tests = [_is_test(path, root) for path in paths]
    return EncodedImages(
        classes,
        labels,
        np.repeat(tests, counts) if any(tests) and not all(tests) else None,
        lambda: (image for path in paths for image in _images(path, images[path])),
        name,
        len(paths),
        files_hash(root, paths, settings),
    )


def _paths(root: Path, settings: DataSettings) -> list[Path]:
    """The files, those of the test split last."""
    if root.is_file():
        return [root]
    paths = find_files(root, (_SUFFIX,))
    folders = sorted({path.parent.parent if path.parent.name in _SPLITS else path.parent for path in paths})
    if not paths:
        raise UsageError(f"data.path {settings.path}: contains no {_SUFFIX} files")
    if len(folders) > 1:
        shown = ", ".join(map(str, folders[:3]))
        raise UsageError(
            f"data.path {settings.path}: contains parquet files in {len(folders)} folders; choose one of "
            f"{shown}"
        )
    return sorted(paths, key=lambda path: _is_test(path, root))


def _is_test(path: Path, root: Path) -> bool:
    folder = path.parent.name if path.parent != root else ""
    return any(re.match(r"test(?![a-z])", name.lower()) for name in (path.stem, folder))


def _broken(path: Path, failure: Exception) -> UsageError:
    reason = str(failure).splitlines()[0]
    return UsageError(f"{path}: is not a complete parquet file ({reason}); download it again")


def _schema(path: Path) -> "pyarrow.Schema":
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError) as failure:
        raise _broken(path, failure) from None


def _column(path: Path, column: str) -> list[Any]:
    """The values of a column; raises UsageError if the file has no such column or is damaged."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            if column not in file.schema_arrow.names:
                raise UsageError(f"{path}: has no column {column!r}, unlike the first file")
            values: list[Any] = file.read([column]).column(column).to_pylist()
            return values
    except (pyarrow.ArrowException, OSError) as failure:
        raise _broken(path, failure) from None


def _images(path: Path, column: str) -> Iterator[bytes]:
    """The encoded images of a file; only a few rows are in memory at a time."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, columns=[column]):
                for value in batch.column(column).to_pylist():
                    encoded = value["bytes"] if isinstance(value, dict) else value
                    yield encoded or b""  # empty: reported as unreadable
    except (pyarrow.ArrowException, OSError) as failure:
        raise _broken(path, failure) from None


def _class_names(schema: "pyarrow.Schema", path: Path) -> dict[str, tuple[str, ...]]:
    """Class names by column, from the metadata that the `datasets` library writes into the schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            column: tuple(map(str, feature["names"]))
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except KeyError:
        return {}
    except (ValueError, TypeError, AttributeError):
        raise UsageError(
            f"{path}: the metadata under the key huggingface is not in the format of the datasets library"
        ) from None


def _image_column(schema: "pyarrow.Schema", path: Path, settings: DataSettings) -> str:
    from pyarrow import types

    def is_bytes(kind: "pyarrow.DataType") -> bool:
        return any(fits(kind) for fits in (types.is_binary, types.is_large_binary))

    candidates = [
        field.name
        for field in schema
        if is_bytes(field.type)
        or (
            types.is_struct(field.type)
            and any(part.name == "bytes" and is_bytes(part.type) for part in field.type)
        )
    ]
    return _choose("image", settings.image, candidates, schema, path)


def _label_column(
    schema: "pyarrow.Schema", names: dict[str, tuple[str, ...]], path: Path, settings: DataSettings
) -> str:
    from pyarrow import types

    kinds = (types.is_integer, types.is_dictionary, types.is_string, types.is_large_string)
    candidates = [field.name for field in schema if any(kind(field.type) for kind in kinds)]
    if settings.label is None and names:
        candidates = [column for column in candidates if column in names]
    return _choose("label", settings.label, candidates, schema, path)


def _choose(key: str, named: str | None, candidates: list[str], schema: "pyarrow.Schema", path: Path) -> str:
    """The column for `key`: the one that the settings name, or the only candidate."""
    if named is not None:
        if named not in schema.names:
            raise UsageError(f"data.{key}: {path} has no column {named!r}; {suggestion(named, schema.names)}")
        if named not in candidates:
            kind = schema.field(named).type
            raise UsageError(
                f"data.{key}: column {named!r} of {path} has the type {kind}, which cannot be the {key}"
            )
        return named
    if not candidates:
        columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise UsageError(f"{path}: no column can be the {key}; its columns are {columns}")
    if len(candidates) > 1:
        raise UsageError(
            f"{path}: several columns can be the {key}; set data.{key} to one of {', '.join(candidates)}"
        )
    return candidates[0]


def _labels(
    values: list[Any], names: tuple[str, ...] | None, name: Callable[[int], str]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Class names, and the class number of every value; raises UsageError for a missing or unknown label."""
    for number, value in enumerate(values):
        if value is None:
            raise UsageError(f"{name(number)}: has no label")
        if names is not None and not (isinstance(value, int) and 0 <= value < len(names)):
            raise UsageError(
                f"{name(number)}: label {value!r} is out of range; the file names {len(names)} classes"
            )
    if names is not None:
        return names, np.array(values, np.int64)
    distinct = sorted(set(values))
    numbers = {value: number for number, value in enumerate(distinct)}
    return tuple(map(str, distinct)), np.array([numbers[value] for value in values], np.int64)
