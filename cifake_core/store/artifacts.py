"""Files that are whole or absent: temporary file in the same folder, fsync, `os.replace`, the record last.

A folder with a `record.json` is complete. Torch and safetensors load a bit-flipped file without a word, so a record
carries the SHA-256 of every artifact beside it, and `verify` compares before use.
It does not know what the artifacts mean.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from cifake_core.errors import Conflict, Damaged, NotFound

RECORD = "record.json"
_PARTIAL = ".partial-"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to; it becomes `path` only if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{path.suffix}")
    temporary.touch(exist_ok=False)  # not mkstemp, whose files only their owner may read
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder beside `path`; it becomes `path` only if the block ends well. Raises Conflict if taken.

    What a killed process left half-built is swept by the next call in the same parent.
    """
    if path.exists():
        raise Conflict(f"{path.name!r} exists already; choose another name or delete it first.")
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_partials(path.parent)
    started = int(psutil.Process().create_time())
    temporary = path.with_name(f"{_PARTIAL}{os.getpid()}-{started}-{secrets.token_hex(8)}")
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        try:
            os.rename(temporary, path)
        except OSError as error:
            raise Conflict(f"{path.name!r} was made by somebody else meanwhile; choose another name.") from error
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sweep_partials(parent: Path) -> None:
    """Removes half-built folders whose process is gone."""
    for folder in parent.glob(f"{_PARTIAL}*"):
        pid, started = folder.name.removeprefix(_PARTIAL).split("-")[:2]
        if not _alive(int(pid), int(started)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int, started: int) -> bool:
    try:
        return abs(psutil.Process(pid).create_time() - started) < 2
    except psutil.NoSuchProcess:
        return False


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: object) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    """What `write_json` wrote; raises NotFound or Damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(f"{path.name} is missing in {path.parent.name!r}; it was deleted or never finished.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"{path.name} in {path.parent.name!r} is damaged; delete it and make it again.") from error
    if not isinstance(found, dict):
        raise Damaged(f"{path.name} in {path.parent.name!r} is damaged; delete it and make it again.")
    return found


def write_record(folder: Path, record: dict, artifacts: list[str]) -> None:
    """Writes `record.json` last, with the SHA-256 of each named artifact of the folder."""
    digests = {name: sha256(folder / name) for name in artifacts}
    write_json(folder / RECORD, {**record, "sha256": digests})


def verify(folder: Path, name: str) -> Path:
    """The path of an artifact whose bytes match the folder's record; raises Damaged or NotFound."""
    expected = read_json(folder / RECORD)["sha256"].get(name)
    path = folder / name
    if expected is None or not path.exists():
        raise NotFound(f"{folder.name!r} has no {name}; make it again.")
    if sha256(path) != expected:
        raise Damaged(f"{name} in {folder.name!r} does not match its checksum; the file is damaged, make it again.")
    return path
