"""The account of an import: every file and row that was seen is imported, or left out for a reason that is counted, with examples."""

from dataclasses import dataclass, field

EXAMPLES = 5  # names kept of each reason

HIDDEN = "hidden or system files"
NOT_A_PICTURE = "not a picture by their suffix"
NO_LABEL = "in no folder that says real or fake"
BROKEN = "broken"
LINK_OUT = "links that lead out of the source"
LINK_BROKEN = "links to nothing"
NOT_READABLE = "not readable"
TOO_LARGE = "too large"
UNLABELLED = "without a label"
NO_IMAGE = "without a picture"
NOT_LISTED = "not listed in the manifest"
MISSING = "listed but not there"
TWICE = "listed twice"
NO_MATCH = "names that do not fit the pattern"
UNREAD_ROW = "rows of a list that cannot be read"
DESCRIPTIONS = "read for what they say about pictures"
BESIDE = "beside what was recognised"
ARCHIVES = "archives inside, not unpacked"
COMPANIONS = "in a folder of masks, thumbnails or other companions of the pictures"

# Reasons that mean a picture is damaged or cannot be had; `--strict` refuses these.
DAMAGE = (BROKEN, NOT_READABLE, TOO_LARGE, LINK_BROKEN, MISSING, NO_IMAGE)


@dataclass
class Account:
    """seen = imported + left out, at any time an import is done. Names are kept safe to print: see `printable`."""

    seen: int = 0
    imported: int = 0
    left_out: dict[str, dict] = field(default_factory=dict)  # reason → {"count", "examples"}

    def leave(self, name: str, reason: str, detail: str = "", count: int = 1) -> None:
        """Counts what is not imported; `detail` says more of the example ("cut short")."""
        entry = self.left_out.setdefault(reason, {"count": 0, "examples": []})
        entry["count"] += count
        if len(entry["examples"]) < EXAMPLES:
            entry["examples"].append(printable(name) + (f" ({detail})" if detail else ""))

    def left(self) -> int:
        """How many were left out, whatever the reason."""
        return sum(entry["count"] for entry in self.left_out.values())

    def add(self, other: "Account") -> None:
        self.seen += other.seen
        self.imported += other.imported
        for reason, entry in other.left_out.items():
            mine = self.left_out.setdefault(reason, {"count": 0, "examples": []})
            mine["count"] += entry["count"]
            mine["examples"] = (mine["examples"] + entry["examples"])[:EXAMPLES]

    def as_dict(self) -> dict:
        """{"seen", "imported", "left_out": {reason: {"count", "examples"}}}, the largest reason first."""
        ordered = sorted(self.left_out.items(), key=lambda pair: -pair[1]["count"])
        return {"seen": self.seen, "imported": self.imported, "left_out": {reason: dict(entry) for reason, entry in ordered}}


def sentences(account: dict) -> list[str]:
    """The account as lines for people: "Seen 123: 120 imported, 3 left out." and one line a reason."""
    left = sum(entry["count"] for entry in account["left_out"].values())
    lines = [f"Seen {account['seen']:,}: {account['imported']:,} imported, {left:,} left out."]
    for reason, entry in account["left_out"].items():
        more = ", …" if entry["count"] > len(entry["examples"]) else ""
        lines.append(f"  {entry['count']:,} {reason}: {', '.join(entry['examples'])}{more}")
    return lines


def storable(name: str) -> str:
    """The name as UTF-8 text: bytes of a file name that are none, such as Latin-1, are spelled out (caf\\xe9)."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(name: str) -> str:
    """The name on one line of a terminal: `storable`, and line breaks and other control characters spelled out."""
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in storable(name))
