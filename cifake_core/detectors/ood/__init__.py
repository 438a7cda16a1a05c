"""Whether a picture lies outside what a run was trained on: fitted when training ends, stored with the run."""
