"""A server on this machine that speaks the part of the Hugging Face Hub's API we use, with a few tiny models of our own."""

import json
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Models are folders under `root/<owner>/<name>`; `meta` says what the listing tells of them."""

    def __init__(self, root: Path) -> None:
        self.root, self.meta = root, {}
        self.failing: dict[str, int] = {}  # model → how many more of its files are answered with an error
        self.downloads: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, name: str, source: Path, downloads: int, **meta) -> Path:
        folder = self.root / name
        shutil.copytree(source, folder)
        self.meta[name] = {"downloads": downloads, "license": "mit", "gated": False, **meta}
        return folder

    def files(self, name: str) -> dict[str, Path]:
        folder = self.root / name
        return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}

    def listed(self, name: str, sizes: bool) -> dict:
        meta, files = self.meta[name], self.files(name)
        index = self.root / name / "model_index.json"
        base = [f"base_model:{word}" for word in meta.get("base", ())]
        return {
            "_id": name, "id": name, "modelId": name, "sha": SHA, "private": False, "gated": meta["gated"], "downloads": meta["downloads"],
            "likes": 1, "tags": ["diffusers", f"license:{meta['license']}", *base], "createdAt": "2024-05-01T00:00:00.000Z",
            "config": {"diffusers": {"_class_name": json.loads(index.read_text())["_class_name"]}} if index.exists() else {},
            "siblings": [{"rfilename": file, **({"size": path.stat().st_size} if sizes else {})} for file, path in files.items()],
        }  # fmt: skip


def _handler(hub: Hub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            if path == "/api/models":
                names = sorted(hub.meta, key=lambda name: -hub.meta[name]["downloads"])
                return self._json([hub.listed(name, sizes=False) for name in names], body)
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/\w+)?", path):
                return (
                    self._json(hub.listed(found[1], sizes=True), body)
                    if found[1] in hub.meta
                    else self._error(404, "RepoNotFound")
                )
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/\w+", path):
                tree = [
                    {"type": "file", "oid": "0" * 40, "size": f.stat().st_size, "path": name}
                    for name, f in hub.files(found[1]).items()
                ]
                return self._json(tree, body)
            if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/\w+/(.+)", path):
                return self._file(found[1], found[2], body)
            return self._error(404, "EntryNotFound")

        def _file(self, name: str, file: str, body: bool) -> None:
            if name not in hub.meta:
                return self._error(404, "RepoNotFound")
            if hub.meta[name]["gated"]:
                return self._error(403, "GatedRepo")
            if hub.failing.get(name, 0) > 0:
                hub.failing[name] -= 1
                return self._error(501, "")  # not one the client itself tries again, which would take minutes
            path = hub.files(name).get(file)
            if path is None:
                return self._error(404, "EntryNotFound")
            if body:
                hub.downloads.append(f"{name}/{file}")
            head = {"ETag": f'"{abs(hash((name, file))):040x}"', "X-Repo-Commit": SHA, "Accept-Ranges": "bytes"}
            return self._send(200, path.read_bytes(), head, body)

        def _json(self, value: object, body: bool) -> None:
            self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"}, body)

        def _error(self, code: int, kind: str) -> None:
            self._send(code, b"{}", {"X-Error-Code": kind, "X-Error-Message": kind} if kind else {}, True)

        def _send(self, code: int, data: bytes, head: dict[str, str], body: bool) -> None:
            self.send_response(code)
            body = body and self.command != "HEAD"
            for key, value in (head | {"Content-Length": str(len(data))}).items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

    return Handler
