"""Letting go of an uploaded file once it lies on the disk, so that a server does not hold gigabytes for a form.

Streamlit keeps the bytes of every uploaded file in memory until its browser tab is closed, whatever the form shows.
"""

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile


def release(file: UploadedFile) -> None:
    """Frees the server's copy. The widget that gave the file must not be asked for it again: give it another key."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None and runtime.exists():
        runtime.get_instance().uploaded_file_mgr.remove_file(context.session_id, file.file_id)
