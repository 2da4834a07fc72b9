"""Files of arrays and one JSON object: written whole or not at all, read without trust.

An archive is an uncompressed ``.npz``: ``numpy.load(path, allow_pickle=False)`` opens it. Members
are the arrays, by their names; ``header``, a JSON text; and ``checksum``, the SHA-256 of all the
others' names and bytes.

Reading executes nothing and needs memory in proportion to the file: pickled arrays and compressed
members are refused, and every size that the file states is compared with the bytes that are there,
before an array is made.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from .types import Array, Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

KINDS = "biufUS"  # of dtypes; all without pickle
HEADER, CHECKSUM = "header", "checksum"
DEEPEST = 50  # JSON values within one another; headers of fastbp have some ten


class ModelFileError(ValueError):
    """A file is not what :func:`load_model`, or a checkpoint, can read; says which and why."""


def write_archive(path: Path, header: dict[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write a JSON object and named arrays to a file, in place of the old one if there is one.

    Until all of it is on the disk, the old file stays; whatever happens, there is the old one or
    the new one. A process that is killed can leave a temporary file behind, which the next write
    to this path removes.
    """
    members = {HEADER: np.array(json.dumps(header, allow_nan=False))}
    members |= {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    contents = {name: _npy(array) for name, array in members.items()}
    contents[CHECKSUM] = _npy(np.array(_digest(contents)))

    def write_members(file):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in contents.items():
                # without a date: equal contents make equal files
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content)

    write_whole(path, write_members)


def write_whole(path: Path, write: Callable[[Any], None]) -> None:
    """Let `write` fill an open binary file that becomes `path`, as write_archive does it."""
    given, path = path, os.path.realpath(os.fsdecode(path))  # of the file that a link points to
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), given)
    _remove_leftovers(path)
    file = _create_temporary(path)
    try:
        write(file)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            os.chmod(file.name, os.stat(path).st_mode & 0o777)
        if fcntl is None:
            file.close()  # what is open cannot be renamed there; elsewhere it is locked until then
        os.replace(file.name, path)
    except BaseException:
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            os.unlink(file.name)
        raise
    file.close()
    _sync_folder(os.path.dirname(path))


def _create_temporary(path):
    """A new open file beside `path`, which _remove_leftovers leaves alone."""
    folder, name = os.path.split(path)
    while True:
        try:
            file = open(os.path.join(folder, f".{name}.{secrets.token_hex(8)}.tmp"), "xb")
        except OSError as error:  # with the folder, which may be read-only: nobody knows the file
            raise OSError(error.errno, error.strerror, folder) from None
        _lock(file, waits=True)
        if os.path.exists(file.name):
            return file
        file.close()  # another process has removed it before it was locked


def _remove_leftovers(path):
    """Remove the temporary files of processes that were killed while they wrote this file.

    Only where files can be locked: the lock of a process ends with it.
    """
    folder, name = os.path.split(path)
    pattern = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.tmp")
    with suppress(OSError):
        for entry in filter(pattern.fullmatch, os.listdir(folder)):
            temporary = os.path.join(folder, entry)
            with suppress(OSError), open(temporary, "r+b") as file:
                if _lock(file, waits=False):
                    os.unlink(temporary)


def _lock(file, waits):
    """Whether the file could be locked until it is closed."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has locked it, or files of this disk cannot be locked
        return False
    return True


def _npy(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def _digest(contents):
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def _sync_folder(folder):
    # The new name itself is safe once the folder is on the disk; not every system can do that.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_archive(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header (a dict) and the arrays of a file, all that write_archive has written.

    Raises
    ------
    ModelFileError
        For a file with any defect.
    OSError
        If it cannot be read at all.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        return _parse(content)
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)!r}: {error}") from None
    except Exception as error:
        # Whatever zipfile, json and the .npy headers raise for bytes that are not theirs.
        raise ModelFileError(
            f"{os.fspath(path)!r} is damaged, or no file of fastbp: {error}"
        ) from error


def _parse(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if any(one.compress_type != zipfile.ZIP_STORED for one in members):
            raise ModelFileError("it has compressed members, which fastbp does not write.")
        if sum(one.file_size for one in members) > len(content):
            raise ModelFileError("its members are larger than the file.")
        if not all(one.filename.endswith(".npy") for one in members):
            raise ModelFileError("it has members that are no arrays.")
        contents = {one.filename.removesuffix(".npy"): archive.read(one) for one in members}
        if len(contents) < len(members):
            raise ModelFileError("two of its members have the same name.")
    for needed in HEADER, CHECKSUM:
        if needed not in contents:
            raise ModelFileError(f"it is no file of fastbp: it has no member {needed!r}.")
    checksum = str(_array(CHECKSUM, contents.pop(CHECKSUM)))
    if checksum != _digest(contents):
        raise ModelFileError("it is damaged: its contents do not have the checksum it states.")
    arrays = {name: _array(name, one) for name, one in contents.items()}
    header = json.loads(str(arrays.pop(HEADER)))
    if not isinstance(header, dict):
        raise ModelFileError("its header is no JSON object.")
    if _is_too_deep(header):
        raise ModelFileError(f"its header has values more than {DEEPEST} levels deep.")
    return header, arrays


def _is_too_deep(value):
    """Whether Python could run out of its stack over a JSON value."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _items(one)]
        if not level:
            return False
    return True


def _items(value):
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _array(name, content):
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ModelFileError(f"{name} has version {version} of the .npy format; (1, 0) is needed.")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if is_fortran or dtype.kind not in KINDS or dtype.hasobject:
        raise ModelFileError(f"{name} is an array of dtype {dtype}, or not in C order.")
    start = stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content) - start:
        raise ModelFileError(
            f"{name} has the shape {shape} and {len(content) - start} bytes of {dtype}."
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


# --- values in a header -------------------------------------------------------------------------


def to_json(value: Any) -> Any:
    """A value as JSON has it; TypeError for one that only pickle could save.

    None, booleans, ints, finite floats, strings and lists stand for themselves; everything else is
    an object with its type as the only key.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, list):
        return [to_json(one) for one in value]
    if isinstance(value, tuple):
        return {"tuple": [to_json(one) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[to_json(key), to_json(one)] for key, one in value.items()]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {"array": to_json(value.tolist()), "dtype": value.dtype.name}
    raise TypeError(f"{type(value).__name__} objects need pickle")


def from_json(value: Any) -> Any:
    """The value that to_json was given; ModelFileError for JSON that it does not write."""
    try:
        return _value(value)
    except (TypeError, ValueError, OverflowError):
        raise ModelFileError(f"its header has the unknown value {str(value)[:80]}.") from None


def _value(value):
    if isinstance(value, list):
        return [_value(one) for one in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"float": "inf" | "-inf" | "nan" as text} if len(value) == 1:
            return float(text)
        case {"tuple": list(items)} if len(value) == 1:
            return tuple(_value(items))
        case {"dict": list(items)} if len(value) == 1:
            return {_value(key): _value(one) for key, one in items}
        case {"array": list(items), "dtype": str(name)} if len(value) == 2:
            dtype = np.dtype(name)
            if dtype.kind in "biuf":
                return np.array(_value(items), dtype)
    raise ValueError("unknown")
