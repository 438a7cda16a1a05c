"""Pictures from outside a training domain, by kind, for `benchmarks/outside_domain.py`: made here, or taken from datasets.

`SEEN` are kinds that were looked at while the check was made, with other seeds; on `HELD_OUT` nothing was chosen.
"""

import io
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

from cifake_core.generators.demo_world import render_frames

Random = np.random.Generator
SIDE = 32


def _uint8(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def one_colour(random: Random, _own) -> np.ndarray:
    return np.broadcast_to(random.integers(0, 256, 3), (SIDE, SIDE, 3)).astype(np.uint8)


def gradient(random: Random, _own) -> np.ndarray:
    first, last = random.uniform(0, 255, (2, 3))
    ramp = np.linspace(0, 1, SIDE)[:, None, None] * np.ones((1, SIDE, 1))
    ramp = ramp if random.random() < 0.5 else ramp.transpose(1, 0, 2)
    return _uint8(first * (1 - ramp) + last * ramp)


def uniform_noise(random: Random, _own) -> np.ndarray:
    return random.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)


def faint_noise(random: Random, _own) -> np.ndarray:
    return _uint8(random.normal(random.uniform(60, 200), random.uniform(10, 60), (SIDE, SIDE, 3)))


def own_with_noise(random: Random, own) -> np.ndarray:
    return _uint8(own() + random.normal(0, random.uniform(25, 50), (SIDE, SIDE, 3)))


def own_negative(_random: Random, own) -> np.ndarray:
    return 255 - own()


def own_enlarged(_random: Random, own) -> np.ndarray:
    return _scaled(_scaled(own(), 8), SIDE)


def own_pixelated(random: Random, own) -> np.ndarray:
    return _scaled(_scaled(own(), int(random.choice([4, 8]))), SIDE, Image.Resampling.NEAREST)


def checkerboard(random: Random, _own) -> np.ndarray:
    one, other = random.integers(0, 256, (2, 3))
    return np.where(((np.indices((SIDE, SIDE)) // int(random.integers(1, 9))).sum(0) % 2)[..., None], one, other).astype(np.uint8)


def stripes(random: Random, _own) -> np.ndarray:
    one, other = random.integers(0, 256, (2, 3))
    angle, (y, x) = random.uniform(0, np.pi), np.indices((SIDE, SIDE))
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / random.uniform(2, 12))
    return np.where((wave > 0)[..., None], one, other).astype(np.uint8)


def blocks(random: Random, _own) -> np.ndarray:
    count = int(random.choice([4, 8]))
    return random.integers(0, 256, (count, count, 3), np.uint8).repeat(256 // count, 0).repeat(256 // count, 1)


def text_page(random: Random, _own) -> np.ndarray:
    return _page(random, paper=(255, 255, 255), ink=(30, 30, 30))


def word(random: Random, _own) -> np.ndarray:
    paper, ink = (tuple(map(int, random.integers(0, 256, 3))) for _ in range(2))
    picture = Image.new("RGB", (256, 256), paper)
    font = ImageFont.load_default(size=int(random.integers(60, 140)))
    ImageDraw.Draw(picture).text((int(random.integers(0, 40)), int(random.integers(20, 120))), _letters(random, 4).upper(), fill=ink, font=font)
    return np.asarray(picture)


def drawing(random: Random, _own) -> np.ndarray:
    picture = Image.new("RGB", (256, 256), (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(4, 15))):
        points = [tuple(map(int, random.integers(0, 256, 2))) for _ in range(int(random.integers(2, 6)))]
        draw.line(points, fill=tuple(map(int, random.integers(0, 120, 3))), width=int(random.integers(2, 12)), joint="curve")
    for _ in range(int(random.integers(0, 4))):
        corner = random.integers(0, 200, 2)
        draw.ellipse([*map(int, corner), *map(int, corner + random.integers(20, 100, 2))], outline=(0, 0, 0), width=int(random.integers(2, 8)))
    return np.asarray(picture)


def bar_chart(random: Random, _own) -> np.ndarray:
    picture, bars = Image.new("RGB", (320, 320), (255, 255, 255)), int(random.integers(3, 12))
    draw, width = ImageDraw.Draw(picture), 280 // bars
    for place in range(bars):
        left = 30 + place * width
        draw.rectangle([left, 290 - int(random.integers(20, 260)), left + int(width * 0.7), 290], fill=tuple(map(int, random.integers(0, 256, 3))))
    draw.line([(25, 20), (25, 290), (310, 290)], fill=(0, 0, 0), width=3)
    return np.asarray(picture)


def one_pixel(random: Random, _own) -> np.ndarray:
    return random.integers(0, 256, (1, 1, 3)).astype(np.uint8)


def thin(random: Random, _own) -> np.ndarray:
    return random.integers(0, 256, (int(random.integers(2, 6)), int(random.integers(500, 2500)), 3)).astype(np.uint8)


def photograph(random: Random, _own) -> np.ndarray:
    """A square of at least 256 pixels out of one of scikit-learn's two photographs."""
    image = _photographs()[int(random.integers(2))]
    side = int(random.integers(256, min(image.shape[:2]) + 1))
    top, left = (int(random.integers(0, extent - side + 1)) for extent in image.shape[:2])
    return image[top : top + side, left : left + side]


def dark_screen(random: Random, _own) -> np.ndarray:
    return _page(random, paper=(24, 26, 32), ink=tuple(map(int, random.integers(120, 256, 3))))


def own_in_two_levels(_random: Random, own) -> np.ndarray:
    pixels = own()
    return np.where(pixels > np.median(pixels, axis=(0, 1)), 235, 20).astype(np.uint8)


def own_dithered(_random: Random, own) -> np.ndarray:
    return np.asarray(Image.fromarray(own()).convert("1").convert("RGB"))


def own_edges(_random: Random, own) -> np.ndarray:
    gray = own().mean(2)
    across, down = np.gradient(gray)
    edges = np.hypot(across, down)
    return _uint8(255 - np.repeat((edges * 255 / max(edges.max(), 1))[..., None], 3, 2))


def own_collage(_random: Random, own) -> np.ndarray:
    quarter = [_scaled(own(), 16) for _ in range(4)]
    return np.concatenate([np.concatenate(quarter[:2], 1), np.concatenate(quarter[2:], 1)])


def fractal(random: Random, _own) -> np.ndarray:
    centre, zoom = complex(-0.745 + random.uniform(-0.05, 0.05), 0.113 + random.uniform(-0.05, 0.05)), 10 ** random.uniform(-2, 0)
    y, x = np.mgrid[-1:1:128j, -1:1:128j] * zoom
    point = centre + x + 1j * y
    z, count = np.zeros_like(point), np.zeros(point.shape)
    for _ in range(60):
        inside = np.abs(z) < 2
        z[inside] = z[inside] ** 2 + point[inside]
        count += inside
    return _uint8(127 * (1 + np.sin(count[..., None] * random.uniform(0.1, 0.4, 3) + random.uniform(0, 6, 3))))


def mosaic(random: Random, _own) -> np.ndarray:
    places, colours = random.uniform(0, 128, (int(random.integers(6, 30)), 2)), random.integers(0, 256, (30, 3))
    y, x = np.mgrid[0:128, 0:128]
    nearest = ((x[..., None] - places[:, 0]) ** 2 + (y[..., None] - places[:, 1]) ** 2).argmin(2)
    return colours[nearest].astype(np.uint8)


def heat_table(random: Random, _own) -> np.ndarray:
    from matplotlib import colormaps

    cells = random.normal(size=(int(random.integers(5, 16)),) * 2)
    shades = colormaps[str(random.choice(["viridis", "magma", "coolwarm"]))]((cells - cells.min()) / np.ptp(cells))[..., :3]
    return _uint8(shades * 255).repeat(16, 0).repeat(16, 1)


def code_square(random: Random, _own) -> np.ndarray:
    return np.where(random.random((25, 25)) < 0.5, 255, 0).astype(np.uint8).repeat(8, 0).repeat(8, 1)[..., None].repeat(3, 2)


def rendered_scene(random: Random, _own) -> np.ndarray:
    return render_frames([(int(random.integers(10)), int(random.integers(2_000_000, 4_000_000)))])[0].pixels


SEEN: dict[str, Callable[[Random, Callable[[], np.ndarray]], np.ndarray]] = {
    "one colour": one_colour,
    "gradient": gradient,
    "uniform noise": uniform_noise,
    "faint noise": faint_noise,
    "own image with noise": own_with_noise,
    "own image, negative": own_negative,
    "own image enlarged from 8 px": own_enlarged,
    "own image pixelated": own_pixelated,
    "checkerboard": checkerboard,
    "stripes": stripes,
    "coarse blocks": blocks,
    "page of text": text_page,
    "one word": word,
    "line drawing": drawing,
    "bar chart": bar_chart,
}
HELD_OUT = {
    "one pixel": one_pixel,
    "thin strip": thin,
    "photograph of 256 px or more": photograph,
    "dark screen with text": dark_screen,
    "own image in two levels": own_in_two_levels,
    "own image dithered": own_dithered,
    "own image as edges": own_edges,
    "collage of four own images": own_collage,
    "fractal": fractal,
    "mosaic": mosaic,
    "table of heat colours": heat_table,
    "square code": code_square,
}


def as_file(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG")
    return out.getvalue()


def as_small(pixels: np.ndarray) -> np.ndarray:
    """The middle square at 32 × 32: what somebody brings who has shrunk the picture before."""
    side = min(pixels.shape[:2])
    top, left = ((extent - side) // 2 for extent in pixels.shape[:2])
    return _scaled(pixels[top : top + side, left : left + side], SIDE)


def _scaled(pixels: np.ndarray, side: int, how: Image.Resampling = Image.Resampling.BICUBIC) -> np.ndarray:
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), how))


def _page(random: Random, paper: tuple[int, int, int], ink: tuple[int, int, int]) -> np.ndarray:
    width, height, size = int(random.integers(400, 1000)), int(random.integers(400, 1200)), int(random.integers(10, 26))
    picture, font = Image.new("RGB", (width, height), paper), ImageFont.load_default(size=size)
    for top in range(20, height - 20, int(size * 1.4)):
        words = " ".join(_letters(random, int(random.integers(2, 9))) for _ in range(int(random.integers(5, 20))))
        ImageDraw.Draw(picture).text((30, top), words, fill=ink, font=font)
    return np.asarray(picture)


def _letters(random: Random, count: int) -> str:
    return "".join(chr(97 + int(letter)) for letter in random.integers(0, 26, count))


@cache
def _photographs() -> list[np.ndarray]:
    return load_sample_images().images
