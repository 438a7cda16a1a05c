"""The Try an image page: one picture, its verdict and why."""
