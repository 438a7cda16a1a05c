"""Image sets: decode, import, duplicates, splits. It knows pixels, labels and where they came from; no network, no metric."""
