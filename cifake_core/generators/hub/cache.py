"""The disk a sampling may use: models are fetched into a cache of their own, and the longest unused make room for the next."""

from collections.abc import Iterable
from pathlib import Path

from cifake_core.store.workspace import Workspace


def folder(workspace: Workspace) -> Path:
    """Apart from the user's own Hub cache, so that nothing else is ever deleted from it."""
    return workspace.home / "hub-cache"


def used(cache: Path) -> int:
    """Bytes of everything in the cache."""
    from huggingface_hub import scan_cache_dir

    return scan_cache_dir(cache).size_on_disk if cache.is_dir() else 0


def make_room(cache: Path, most: float, in_use: Iterable[str] = ()) -> list[str]:
    """Deletes the longest unused models until at most `most` bytes are taken; those in use stay. Returns the deleted ids."""
    from huggingface_hub import scan_cache_dir

    if not cache.is_dir():
        return []
    found = scan_cache_dir(cache)
    taken, busy, deleted = found.size_on_disk, set(in_use), []
    for repo in sorted(found.repos, key=lambda repo: repo.last_accessed):
        if taken <= most:
            break
        if repo.repo_id not in busy:
            found.delete_revisions(*(revision.commit_hash for revision in repo.revisions)).execute()
            taken -= repo.size_on_disk
            deleted.append(repo.repo_id)
    return deleted
