"""The sets that can be had from their makers, and where they lie.

It knows addresses; how files are fetched is download.py's, what they hold the other sources'.
"""

import tarfile
from pathlib import Path

from cifake_core.errors import DownloadFailed
from cifake_core.images.sources import cifar10
from cifake_core.images.sources.download import Address, download
from cifake_core.progress import Progress
from cifake_core.settings import Settings

# Words that stand for a download where a source is named; a folder of such a name is given as ./cifake.
CIFAKE, CIFAKE_HUB, CIFAR10 = "cifake", "cifake-hugging-face", "cifar10"
DOWNLOADS = (CIFAKE, CIFAKE_HUB, CIFAR10)
CIFAKE_GENERATOR = "stable-diffusion-1.4"  # Bird & Lotfi 2024: all fakes are its

# The authors' repository at the commit whose 120,000 files were measured; fingerprint.py tells whether it is they.
CIFAKE_URL = "https://github.com/jordan-bird/CIFAKE-Real-and-AI-Generated-Synthetic-Images/archive/e112a942.zip"
CIFAKE_HUB_REPOSITORY = "dragonintelligence/CIFAKE-image-dataset"


def fetch(source: str, folder: Path, on_progress: Progress) -> list[Path]:
    """Files or folders that other sources can read. `source` is one of DOWNLOADS; raises DownloadFailed."""
    if source == CIFAKE:
        addresses = (Settings.from_environment().cifake_url or CIFAKE_URL).split()
        return [download(Address.parse(address), folder, on_progress) for address in addresses]
    if source == CIFAKE_HUB:
        return [_from_hugging_face(folder / "cifake-hugging-face", on_progress)]
    assert source == CIFAR10
    return [_cifar10(folder, on_progress)]


def _from_hugging_face(folder: Path, on_progress: Progress) -> Path:
    """The Parquet files of the Hub's copy; huggingface_hub resumes and checks them."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    from tqdm.auto import tqdm

    class Reporting(tqdm):
        """Passes the Hub's own bars on, and lets the user stop the work through them."""

        def __init__(self, *args, **kwargs) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": True})
            self._done = 0

        def update(self, n: float | None = 1) -> None:
            self._done += int(n or 0)
            on_progress(self._done, max(int(self.total or 0), self._done, 1), "fetching from Hugging Face")

    try:
        snapshot_download(
            CIFAKE_HUB_REPOSITORY,
            repo_type="dataset",
            allow_patterns=["*.parquet", "**/*.parquet"],
            local_dir=folder,
            tqdm_class=Reporting,
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise DownloadFailed(
            f"{CIFAKE_HUB_REPOSITORY} could not be fetched from Hugging Face ({type(error).__name__}); try again later."
        ) from error
    return folder


def _cifar10(folder: Path, on_progress: Progress) -> Path:
    """The archive that torchvision names, checked against its checksum before anything of it is unpacked."""
    from torchvision.datasets import CIFAR10 as Reader

    archive = download(Address.parse(f"{Reader.url}#md5={Reader.tgz_md5}"), folder, on_progress)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / cifar10.FOLDER
