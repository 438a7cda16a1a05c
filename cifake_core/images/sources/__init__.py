"""Where image sets come from, one source a file: each yields `NewImage` rows and knows nothing of how they are stored."""
