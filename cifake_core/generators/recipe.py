"""How a class becomes a prompt: a readable file of templates and modifiers, and a choice that depends on the seed alone.

It knows words, not models: what a pipeline does with the prompt is none of its business.
"""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from cifake_core.errors import BadInput
from cifake_core.store.artifacts import read_json

RECIPES = Path(__file__).parents[2] / "assets" / "recipes"
_FIELDS = ("{article}", "{class}", "{modifier}")


@dataclass(frozen=True)
class Recipe:
    """A prompt for every class. `modifiers` maps a class to its choices; none = the bare template."""

    id: str
    title: str
    template: str
    modifiers: dict[str, tuple[str, ...]]
    articles: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)  # class → "reported" (by re-implementations) or "ours"
    negative_prompt: str = ""
    size: int = 512  # side of the picture a text-to-image pipeline is asked for, pixels
    steps: int = 50
    guidance: float = 7.5

    def __post_init__(self) -> None:
        if "{class}" not in self.template:
            raise BadInput(f"The template {self.template!r} does not name the class; write {{class}} where it belongs.")
        rest = self.template
        for name in _FIELDS:
            rest = rest.replace(name, "")
        if "{" in rest or "}" in rest:
            raise BadInput(f"The template {self.template!r} may only hold {', '.join(_FIELDS)}; remove other braces.")

    def prompt(self, class_name: str, seed: int) -> str:
        """The prompt of one image. Same class and seed, same prompt; the modifier goes last unless the template places it."""
        choices = self.modifiers.get(class_name, ())
        modifier = choices[_draw(f"{class_name}/{seed}", len(choices))] if choices else ""
        article = self.articles.get(class_name, "an" if class_name[:1].lower() in "aeiou" else "a")
        template = self.template if "{modifier}" in self.template else self.template + " {modifier}"
        words = {"{article}": article, "{class}": class_name, "{modifier}": modifier}
        for name, value in words.items():
            template = template.replace(name, value)
        return " ".join(template.split())

    def changed(self, template: str = "", modifiers: dict[str, list[str]] | None = None) -> "Recipe":
        """This recipe with the user's own words where they gave some; "" and None keep what is here."""
        own = {name: tuple(words) for name, words in (modifiers or {}).items()}
        return replace(self, template=template or self.template, modifiers={**self.modifiers, **own})


def load_recipe(name: str = "cifake") -> Recipe:
    """The recipe of `assets/recipes/<name>.json`. Raises BadInput for an unknown name."""
    known = sorted(path.stem for path in RECIPES.glob("*.json"))
    if name not in known:
        raise BadInput(f"There is no recipe {name!r}; known are {', '.join(known)}.")
    file = read_json(RECIPES / f"{name}.json")
    classes = file["classes"]
    return Recipe(
        id=file["id"],
        title=file["title"],
        template=file["template"],
        modifiers={label: tuple(entry["modifiers"]) for label, entry in classes.items()},
        articles={label: entry["article"] for label, entry in classes.items()},
        origins={label: entry["origin"] for label, entry in classes.items()},
        negative_prompt=file["negative_prompt"],
        size=file["size"],
        steps=file["steps"],
        guidance=file["guidance"],
    )


def image_seed(set_seed: int, class_name: str, index: int) -> int:
    """The seed of one image, 0 … 2⁴⁸−1, from the set's seed, its class and its number in the class: nothing else."""
    return int.from_bytes(hashlib.sha256(f"image/{set_seed}/{class_name}/{index}".encode()).digest()[:6], "big")


def redraw_seed(seed: int, attempt: int) -> int:
    """The seed of the same image drawn once more (attempt 1, 2, …), 0 … 2⁴⁸−1: from its first seed alone."""
    return int.from_bytes(hashlib.sha256(f"redraw/{seed}/{attempt}".encode()).digest()[:6], "big")


def _draw(key: str, choices: int) -> int:
    return int.from_bytes(hashlib.sha256(f"modifier/{key}".encode()).digest()[:8], "big") % choices
