"""Studies: several layers put to work on one question. Nothing in the core builds on them but jobs and the command line."""
