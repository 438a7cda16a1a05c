"""The web app's frame: page settings and navigation, nothing else. `make app` starts it."""

from pathlib import Path

import streamlit as st

from pages.shared.jobs_panel import working_indicator

ICON = Path(__file__).parent / "assets" / "icon.png"  # a file: an icon by name would be fetched from the network

st.set_page_config(page_title="CIFAKE Lab", page_icon=str(ICON), layout="wide")

navigation = st.navigation(
    {
        "": [
            st.Page(
                "pages/start/home.py",
                title="Start",
                icon=":material/home:",
                default=True,
                help="What this lab is, what is in your workspace, and where to begin.",
            ),
        ],
        "Build": [
            st.Page(
                "pages/build/data.py",
                title="Data",
                icon=":material/photo_library:",
                help="Import image sets and see what is in them: counts, samples, duplicates.",
            ),
            st.Page(
                "pages/build/generate.py",
                title="Generate",
                icon=":material/auto_awesome:",
                help="Make fakes of each class with a diffusion model, and watch them appear.",
            ),
            st.Page(
                "pages/build/train.py",
                title="Train",
                icon=":material/grid_on:",
                help="Train the paper's grid of networks and watch it fill in.",
            ),
        ],
        "Look": [
            st.Page(
                "pages/look/metrics.py",
                title="Metrics",
                icon=":material/analytics:",
                help="Confusion matrix and numbers of a run, each with its interval and its images.",
            ),
            st.Page(
                "pages/look/gradcam.py",
                title="Grad-CAM",
                icon=":material/visibility:",
                help="Where a network looked, over misclassified and other images.",
            ),
            st.Page(
                "pages/look/inside.py",
                title="Layer by layer",
                icon=":material/layers:",
                help="One image on its way through a network: every map of every layer, down to the verdict.",
            ),
            st.Page(
                "pages/look/findings.py",
                title="Findings",
                icon=":material/travel_explore:",
                help="Where maps gather, what lies under them, and what a network's logit goes with.",
            ),
            st.Page(
                "pages/look/unseen.py",
                title="Unseen generators",
                icon=":material/help_center:",
                help="Does a detector see fakes of generators it has never met?",
            ),
            st.Page(
                "pages/look/try_image.py",
                title="Try an image",
                icon=":material/upload:",
                help="Upload an image: verdict, probability and map.",
            ),
        ],
    }
)
with st.sidebar:
    working_indicator()
navigation.run()
