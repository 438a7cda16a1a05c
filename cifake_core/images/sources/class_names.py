"""Names of label numbers (ClassLabel) as Hugging Face's files state them: in a file's schema, or in the head of a dataset card."""

import json
from collections.abc import Mapping

import yaml

_MOST_CARD = 2**18  # characters of a dataset card that are looked at


def names_in_metadata(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Column → ClassLabel names, from what Hugging Face's `datasets` writes into a file's schema."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {column: list(map(str, feature["names"])) for column, feature in features.items() if isinstance(feature, dict) and feature.get("names")}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def names_in_card(card: str) -> dict[str, list[str]]:
    """Column → ClassLabel names, from the head of a Hugging Face dataset card (README.md)."""
    parts = card[:_MOST_CARD].split("---\n", 2)
    try:
        head = yaml.safe_load(parts[1]) if card.startswith("---") and len(parts) == 3 else {}
        infos = head.get("dataset_info") or []
        features = [feature for info in (infos if isinstance(infos, list) else [infos]) for feature in info.get("features", [])]
        return {feature["name"]: names for feature in features if (names := _names_of_feature(feature))}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return {}


def _names_of_feature(feature: dict) -> list[str]:
    """The names of a class_label, in the order of their numbers; [] for any other feature."""
    kind = feature.get("dtype")
    names = kind["class_label"]["names"] if isinstance(kind, dict) and "class_label" in kind else []
    ordered = [names[key] for key in sorted(names, key=int)] if isinstance(names, dict) else list(names)
    return list(map(str, ordered)) if all(isinstance(name, str | int | float) for name in ordered) else []  # no nested aliases
