"""Metrics as pure functions of (logit, label): no files, no networks, no images."""
