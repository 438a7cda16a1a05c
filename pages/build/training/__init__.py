"""The Train page: what to train, how it goes, the grid as a picture."""
