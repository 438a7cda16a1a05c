"""Downloads against a local server that knows ranges, changes its files and hangs up midway."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cifake_core.errors import BadInput, Cancelled, DownloadFailed
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import ImportImages
from cifake_core.images.sources import download as downloading
from cifake_core.images.sources import official
from cifake_core.images.sources.download import Address, download
from cifake_core.step import Context
from tests.image_files import random_pixels
from tests.test_images_archives import packed
from tests.test_images_sources import OFFICIAL

CONTENT = random_pixels(1, 1000, 1000).tobytes()  # 3 MB


class Server(ThreadingHTTPServer):
    """Serves one file; `cuts` are the byte counts after which it hangs up, one a request; then it behaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.ranges_known = CONTENT, '"one"', True
        self.cuts: list[int] = []
        self.statuses: list[int] = []  # answered first, one a request
        self.requests: list[dict] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files/cifake.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        server.requests.append(dict(self.headers))
        if server.statuses:
            self.send_response(server.statuses.pop(0))
            self.end_headers()
            return
        start, wanted = 0, self.headers.get("Range")
        if wanted and server.ranges_known and self.headers.get("If-Range") == server.etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(server.content):
            self.send_response(416)
            self.end_headers()
            return
        rest = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(rest)))
        if server.ranges_known:
            self.send_header("ETag", server.etag)
        self.end_headers()
        self.wfile.write(rest[: server.cuts.pop(0)] if server.cuts else rest)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloading, "WAIT_S", 0.01)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetched(server, folder, fragment="", **options):
    return download(Address.parse(server.address + fragment), folder, **options)


def test_a_file_arrives_whole_with_its_progress_and_is_not_fetched_twice(server, tmp_path):
    seen = []
    path = fetched(server, tmp_path, on_progress=lambda *said: seen.append(said))
    assert path == tmp_path / "cifake.zip"
    assert path.read_bytes() == CONTENT
    assert seen[-1][:2] == (len(CONTENT), len(CONTENT))
    assert "MB of cifake.zip fetched" in seen[-1][2]
    assert fetched(server, tmp_path) == path
    assert len(server.requests) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cifake.zip", "cifake.zip.json"]


def test_a_connection_cut_midway_is_continued_where_it_stopped(server, tmp_path):
    server.cuts = [1_000_000, 700_000]
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    starts = [int(r["Range"].removeprefix("bytes=").rstrip("-")) for r in server.requests if "Range" in r]
    assert len(server.requests) == 3
    assert 0 < starts[0] < starts[1] < len(CONTENT)  # what had arrived was not asked for again
    assert starts[1] <= 1_700_000


def test_a_stopped_download_goes_on_later(server, tmp_path):
    def stop(done, total, message):
        if done > 1_000_000:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        fetched(server, tmp_path, on_progress=stop)
    assert not (tmp_path / "cifake.zip").exists()
    kept = (tmp_path / "cifake.zip.part").stat().st_size
    assert kept > 900_000
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == f"bytes={kept}-"


def test_a_file_that_changed_on_the_server_is_fetched_from_the_start(server, tmp_path):
    server.cuts = [1_000_000]
    with pytest.raises(Cancelled):
        fetched(server, tmp_path, on_progress=raising_on("connection lost"))
    server.content, server.etag = bytes(reversed(CONTENT)), '"two"'
    assert fetched(server, tmp_path).read_bytes() == server.content


def raising_on(words: str):
    def report(done, total, message):
        if words in message:
            raise Cancelled("stopped")

    return report


def test_a_server_without_ranges_starts_anew_after_a_cut(server, tmp_path):
    server.ranges_known, server.cuts = False, [1_000_000]
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert all("Range" not in request for request in server.requests)


def test_the_checksum_decides(server, tmp_path):
    good = hashlib.sha256(CONTENT).hexdigest()
    assert fetched(server, tmp_path / "a", f"#sha256={good}").read_bytes() == CONTENT
    assert fetched(server, tmp_path / "b", f"#md5={hashlib.md5(CONTENT).hexdigest()}").read_bytes() == CONTENT
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(DownloadFailed, match="sha256 checksum"):
        fetched(server, tmp_path / "c", f"#sha256={good}")
    assert list((tmp_path / "c").iterdir()) == []
    (tmp_path / "a" / "cifake.zip").write_bytes(b"damaged since")
    server.content = CONTENT
    assert fetched(server, tmp_path / "a", f"#sha256={good}").read_bytes() == CONTENT


def test_a_refusing_and_a_silent_server_are_named_in_one_sentence(server, tmp_path):
    server.statuses = [404]
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1 answered 404"):
        fetched(server, tmp_path)
    server.statuses = [503] * 100
    with pytest.raises(DownloadFailed, match="try again later"):
        fetched(server, tmp_path)
    assert len(server.requests) == 1 + downloading.ATTEMPTS
    server.statuses = [503, 500]
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    with pytest.raises(DownloadFailed, match="could not be reached"):
        download(Address.parse("http://127.0.0.1:9/none"), tmp_path)


def test_a_part_of_another_address_is_not_continued(server, tmp_path):
    (tmp_path / "cifake.zip.part").write_bytes(b"of something else")
    assert fetched(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("text", ["", "ftp://x/y", "file:///etc/passwd", "/etc/passwd", "http://", "javascript:alert(1)"])
def test_addresses_that_are_not_http_are_refused(text):
    with pytest.raises(BadInput, match="http"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.zip", "b.zip"), ("http://h/", "download"), ("http://h/%2e%2e", "download"),
        ("http://h/..%2f..%2fx.zip", "x.zip"), ("http://h/a b?c=1", "a_b"), ("http://h/.bashrc", "bashrc"),
    ],
)  # fmt: skip
def test_file_names_from_addresses_stay_inside_the_folder(url, name):
    assert Address.parse(url).file_name == name


def test_cifake_is_imported_straight_from_the_address_in_the_settings(server, workspace, tmp_path, monkeypatch):
    server.content = packed(tmp_path / "made.zip", OFFICIAL).read_bytes()
    server.cuts = [len(server.content) // 2]
    monkeypatch.setenv("CIFAKE_CIFAKE_URL", server.address)
    messages = []
    step = ImportImages((official.CIFAKE,), "cifake")
    result = step.run(Context(workspace, lambda done, total, message: messages.append(message)))
    assert result["counts"] == {"train": {"real": 2, "fake": 1}, "test": {"real": 0, "fake": 1}}
    assert result["official_cifake"] is False
    assert any("connection lost" in message for message in messages)
    assert step.run(Context(workspace)) == result
    assert len(server.requests) == 2
    assert ImageSet.open(workspace, "cifake").manifest("test")["generator"].tolist() == ["stable-diffusion-1.4"]


def test_the_hugging_face_copy_is_fetched_by_its_own_library(workspace, monkeypatch):
    import huggingface_hub

    from tests.test_images_sources import hugging_face_row, parquet

    asked = {}

    def snapshot_download(repository, *, local_dir, tqdm_class, **options):
        asked.update(options, repository=repository)
        local_dir.mkdir(parents=True)
        with tqdm_class(total=2, desc="fetching", name="x") as bar:
            bar.update(2)
        parquet(local_dir / "train-00000.parquet", [hugging_face_row(1, 1, "a.png")])
        parquet(local_dir / "test-00000.parquet", [hugging_face_row(2, 0, "b.png")])
        return str(local_dir)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    seen = []
    step = ImportImages((official.CIFAKE_HUB,), "hub")
    result = step.run(Context(workspace, lambda *said: seen.append(said)))
    assert result["counts"] == {"train": {"real": 0, "fake": 1}, "test": {"real": 1, "fake": 0}}
    assert asked["repository"] == "dragonintelligence/CIFAKE-image-dataset"
    assert asked["repo_type"] == "dataset"
    assert (2, 2, "fetching from Hugging Face") in seen

    def offline(*args, **options):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(DownloadFailed, match="Hugging Face"):
        ImportImages((official.CIFAKE_HUB,), "again").run(Context(workspace))
