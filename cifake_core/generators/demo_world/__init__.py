"""The demo world: rendered stand-ins for the ten classes, so that everything runs with no download.

Rendered by our own code, never to be shown as photographs. Each picture comes with the true mask of its entity;
`planted` puts a known artefact in a known place, so that explanation methods can be held against the truth.
"""

from cifake_core.generators.demo_world.planted import Artefact, Kind, Planted, Where, plant
from cifake_core.generators.demo_world.rendering import (
    WORLD_VERSION,
    Frame,
    Rendering,
    render,
    render_frame,
    render_frames,
    render_many,
)

__all__ = [
    "WORLD_VERSION",
    "Artefact",
    "Frame",
    "Kind",
    "Planted",
    "Rendering",
    "Where",
    "plant",
    "render",
    "render_frame",
    "render_frames",
    "render_many",
]
