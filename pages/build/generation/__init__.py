"""The Generate page: what to make, how it goes, what came out."""
