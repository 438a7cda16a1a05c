"""The page What does it find?: where maps gather, what lies under them, what the logit goes with."""
