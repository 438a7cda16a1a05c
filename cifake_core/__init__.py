"""The core of CIFAKE Lab: images, generators, detectors, evaluation, explanations, jobs. It never imports streamlit."""

__version__ = "0.1.0"

REAL, FAKE = 0, 1  # the label of every image, everywhere: 1 = fake

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
