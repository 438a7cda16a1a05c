"""Explanations: where a network looked for its verdict, and how far that can be trusted."""
