"""Data: bring image sets in, and see what is in them before anything is trained on them."""

import streamlit as st

from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace
from pages.build.sets.audit_view import audit
from pages.build.sets.image_set_view import contents
from pages.build.sets.importing_form import import_form, open_imported
from pages.shared.guard import shown_errors
from pages.shared.jobs_panel import jobs_panel
from pages.shared.pickers import image_set_picker

VIEWS = {"Contents": contents, "Audit": audit}

st.title("Data")
st.caption("An image set holds reals and fakes with their classes. Look at what differs between them before anything is trained on it.")

with shown_errors():
    open_imported()
empty = not ImageSet.list(Workspace.current())
asked = bool(st.query_params.get("data_path"))  # a link to a preview
with st.expander("Import images", icon=":material/add_photo_alternate:", expanded=empty or asked, key="data_import", on_change="rerun") as importing:
    if importing.open:
        import_form()
jobs_panel("data", kinds=frozenset({"import", "export"}), finished=1)

with shown_errors():
    if not empty:
        chosen = image_set_picker("data_set")
        if chosen is not None:
            view = st.segmented_control(
                "View", list(VIEWS), default="Contents", required=True, key="data_view", bind="query-params", label_visibility="collapsed"
            )
            VIEWS[view](chosen)
