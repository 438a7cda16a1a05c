"""Fetches a file over HTTP: progress, resume after a cut or a stop, checksum, whole or absent.

It knows addresses and bytes; which files make an image set is official.py's, what they hold the other sources'.
"""

import hashlib
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, unquote, urldefrag, urlsplit

import httpx

from cifake_core.errors import BadInput, Damaged, DownloadFailed, NotFound
from cifake_core.progress import Progress, silent
from cifake_core.store.artifacts import read_json, write_json

CHUNK = 2**18  # bytes between two reports
ATTEMPTS = 5  # in a row without a single new byte
WAIT_S = 1.0  # before the second attempt; doubles with each
_TIMEOUT = httpx.Timeout(30.0)


@dataclass(frozen=True)
class Address:
    """Where a file lies. A fragment "#sha256=…" or "#md5=…" is the checksum it must have."""

    url: str
    algorithm: str = ""
    checksum: str = ""

    @staticmethod
    def parse(text: str) -> "Address":
        url, fragment = urldefrag(text.strip())
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise BadInput(f"The address {text[:200]!r} cannot be used; it must begin with https:// or http://.")
        for algorithm, value in parse_qsl(fragment):
            if algorithm in ("sha256", "md5"):
                return Address(url, algorithm, value.lower())
        return Address(url)

    @property
    def file_name(self) -> str:
        """The last part of the path, made safe; the same address always gives the same name."""
        last = PurePosixPath(unquote(urlsplit(self.url).path)).name
        return "".join(c if c.isalnum() or c in "._-" else "_" for c in last).lstrip(".")[-80:] or "download"


def download(address: Address, folder: Path, on_progress: Progress = silent) -> Path:
    """The file in `folder`, fetched unless it is there already; a `.part` file is continued where it stopped.

    Raises DownloadFailed when the server refuses, stays silent, or sends something else than the checksum asks for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / address.file_name
    note = folder / f"{target.name}.json"  # written last: which address the whole file came from
    if target.exists() and _note(note).get("url") == address.url and _matches(target, address):
        return target
    part = _Part(folder / f"{target.name}.part", address)
    _fetch(part, on_progress)
    if not _matches(part.path, address):
        part.discard()
        raise DownloadFailed(
            f"{target.name} does not have the {address.algorithm} checksum that was asked for; "
            "try again, and if it stays so, do not trust the server."
        )
    os.replace(part.path, target)
    part.discard()
    write_json(note, {"url": address.url})
    return target


class _Part:
    """A file on its way, and what is needed to continue it: the server's own mark of this version of the file."""

    def __init__(self, path: Path, address: Address) -> None:
        self.path, self.address = path, address
        self._state = path.with_name(path.name + ".json")
        if _note(self._state).get("url") != address.url:
            self.discard()

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def headers(self) -> dict[str, str]:
        """Asks for the rest only where the server can tell that the file is still the same (RFC 9110, section 13.1.5)."""
        mark = _note(self._state).get("mark")
        resume = {"Range": f"bytes={self.size}-", "If-Range": mark} if mark and self.size else {}
        return {"Accept-Encoding": "identity", **resume}

    def begin(self, response: httpx.Response) -> None:
        """Keeps what is there if the server continues it, otherwise starts at the first byte."""
        if response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {self.size}-"):
            return
        self.discard()
        tag = response.headers.get("ETag", "")
        mark = response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
        write_json(self._state, {"url": self.address.url, "mark": mark})

    def discard(self) -> None:
        for path in (self.path, self._state):
            path.unlink(missing_ok=True)


def _fetch(part: _Part, on_progress: Progress) -> None:
    """Repeats until the file is whole; gives up after ATTEMPTS in a row that brought nothing."""
    failures = 0
    with httpx.Client(follow_redirects=True, timeout=_TIMEOUT) as client:
        while True:
            before = part.size
            try:
                if _stream(client, part, on_progress):
                    return
                reason = "the connection ended early"
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            failures = 0 if part.size > before else failures + 1
            if failures >= ATTEMPTS:
                host = urlsplit(part.address.url).hostname
                raise DownloadFailed(f"{host} could not be reached or stopped answering ({reason}); try again later.")
            on_progress(part.size, part.size + 1, f"connection lost ({reason}), trying again")
            time.sleep(WAIT_S * 2 ** max(0, failures - 1))


def _stream(client: httpx.Client, part: _Part, on_progress: Progress) -> bool:
    """One request; True if the file is whole after it."""
    with client.stream("GET", part.address.url, headers=part.headers()) as response:
        if response.status_code == 416:  # nothing lies beyond what is there, or the file shrank: start anew
            part.discard()
            return False
        if response.status_code >= 500:
            return False
        if response.status_code not in (200, 206):
            host = urlsplit(part.address.url).hostname
            raise DownloadFailed(f"{host} answered {response.status_code}; check the address {part.address.url}.")
        part.begin(response)
        length = response.headers.get("Content-Length")
        total = part.size + int(length) if length and length.isdigit() else 0
        _check_space(part.path.parent, total - part.size)
        with part.path.open("ab") as file:
            for chunk in response.iter_raw(CHUNK):
                file.write(chunk)
                done = file.tell()
                on_progress(done, total or done + 1, f"{done / 1e6:,.1f} MB of {part.path.stem} fetched")
            os.fsync(file.fileno())
    return not total or part.size == total


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadFailed(f"The file needs {needed / 1e6:,.0f} MB, but only {free / 1e6:,.0f} MB are free; make room first.")


def _matches(path: Path, address: Address) -> bool:
    if not address.algorithm:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, address.algorithm).hexdigest() == address.checksum


def _note(path: Path) -> dict:
    with suppress(NotFound, Damaged):
        return read_json(path)
    return {}
