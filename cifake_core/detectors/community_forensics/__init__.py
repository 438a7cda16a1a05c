"""The detectors of Community Forensics: vision transformers over large pictures, ready-made, trainable, and judged like any run."""
