"""Image sets in parquet files as Hugging Face lays them out.

Images are encoded, in a column of bytes or of structs with a field `bytes`. Files whose name, or whose
folder's name, begins with test are the test part, if there are others. All others train: so does a published
validation part.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data import files
from evo_bnas.data.encoded import Encoded, source
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Source
from evo_bnas.errors import UsageError, suggestion

if TYPE_CHECKING:
    import pyarrow

_SUFFIX = ".parquet"
_PARTS = ("train", "test", "validation")  # what folders of files may be called
_ROWS = 256  # read at once


def open_source(settings: DataSettings) -> Source:
    """Images of a parquet file or of a folder of them; raises UsageError where these are no image set."""
    return source(find(settings), settings)


def find(settings: DataSettings) -> Encoded:
    """The images, labels and class names in the files; only labels are read."""
    root = files.root(settings)
    paths = _paths(root, settings)
    schemas = [_schema(path) for path in paths]
    names = _class_names(schemas[0], paths[0])
    for path, schema in zip(paths, schemas, strict=True):
        if _class_names(schema, path) != names:
            raise UsageError(f"{path}: names other classes than {paths[0]}; name files of one data set")
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
        raise UsageError(f"data.path {settings.path}: the parquet files hold no rows")
    classes, labels = _labels(values, names.get(label), name)
    tests = [_is_test(path, root) for path in paths]
    return Encoded(
        classes,
        labels,
        np.repeat(tests, counts) if any(tests) and not all(tests) else None,
        lambda: (image for path in paths for image in _images(path, images[path])),
        name,
        len(paths),
        files.state(root, paths, settings),
    )


def _paths(root: Path, settings: DataSettings) -> list[Path]:
    """The files, those of the test part last."""
    if root.is_file():
        return [root]
    paths = files.below(root, (_SUFFIX,))
    folders = sorted({path.parent.parent if path.parent.name in _PARTS else path.parent for path in paths})
    if not paths:
        raise UsageError(f"data.path {settings.path}: holds no {_SUFFIX} files")
    if len(folders) > 1:
        named = ", ".join(map(str, folders[:3]))
        raise UsageError(
            f"data.path {settings.path}: parquet files lie in {len(folders)} folders; name one of {named}"
        )
    return sorted(paths, key=lambda path: _is_test(path, root))


def _is_test(path: Path, root: Path) -> bool:
    folder = path.parent.name if path.parent != root else ""
    return any(re.match(r"test(?![a-z])", name.lower()) for name in (path.stem, folder))


def _reading(path: Path, failure: Exception) -> UsageError:
    reason = str(failure).splitlines()[0]
    return UsageError(f"{path}: is no whole parquet file ({reason}); fetch it again")


def _schema(path: Path) -> "pyarrow.Schema":
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError) as failure:
        raise _reading(path, failure) from None


def _column(path: Path, column: str) -> list[Any]:
    """The values of a column; raises UsageError where the file has none of this name, or is not whole."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            if column not in file.schema_arrow.names:
                raise UsageError(f"{path}: has no column {column!r}, unlike the first file")
            values: list[Any] = file.read([column]).column(column).to_pylist()
            return values
    except (pyarrow.ArrowException, OSError) as failure:
        raise _reading(path, failure) from None


def _images(path: Path, column: str) -> Iterator[bytes]:
    """The encoded images of a file, a few rows in memory at a time."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, columns=[column]):
                for value in batch.column(column).to_pylist():
                    encoded = value["bytes"] if isinstance(value, dict) else value
                    yield encoded or b""  # which Pillow cannot read
    except (pyarrow.ArrowException, OSError) as failure:
        raise _reading(path, failure) from None


def _class_names(schema: "pyarrow.Schema", path: Path) -> dict[str, tuple[str, ...]]:
    """Class names by column, as the `datasets` library writes them into the schema's metadata."""
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
            f"{path}: the metadata under the key huggingface is not what datasets writes"
        ) from None


def _image_column(schema: "pyarrow.Schema", path: Path, settings: DataSettings) -> str:
    from pyarrow import types

    def encoded(kind: "pyarrow.DataType") -> bool:
        return any(fits(kind) for fits in (types.is_binary, types.is_large_binary))

    found = [
        field.name
        for field in schema
        if encoded(field.type)
        or (
            types.is_struct(field.type)
            and any(part.name == "bytes" and encoded(part.type) for part in field.type)
        )
    ]
    return _chosen("image", settings.image, found, schema, path)


def _label_column(
    schema: "pyarrow.Schema", names: dict[str, tuple[str, ...]], path: Path, settings: DataSettings
) -> str:
    from pyarrow import types

    kinds = (types.is_integer, types.is_dictionary, types.is_string, types.is_large_string)
    found = [field.name for field in schema if any(kind(field.type) for kind in kinds)]
    if settings.label is None and names:
        found = [column for column in found if column in names]
    return _chosen("label", settings.label, found, schema, path)


def _chosen(key: str, asked: str | None, found: list[str], schema: "pyarrow.Schema", path: Path) -> str:
    """The column to take: the one that the settings name, or the only one that it can be."""
    if asked is not None:
        if asked not in schema.names:
            raise UsageError(f"data.{key}: {path} has no column {asked!r}; {suggestion(asked, schema.names)}")
        if asked not in found:
            kind = schema.field(asked).type
            raise UsageError(f"data.{key}: column {asked!r} of {path} holds {kind}, which is no {key}")
        return asked
    if not found:
        columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise UsageError(f"{path}: no column can be the {key}; there are {columns}")
    if len(found) > 1:
        raise UsageError(f"{path}: {', '.join(found)} could each be the {key}; name one with data.{key}")
    return found[0]


def _labels(
    values: list[Any], names: tuple[str, ...] | None, name: Callable[[int], str]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Class names and the number of every value's class."""
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
    place = {value: number for number, value in enumerate(distinct)}
    return tuple(map(str, distinct)), np.array([place[value] for value in values], np.int64)
