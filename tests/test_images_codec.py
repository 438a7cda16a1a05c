"""Decoding files of strangers, and the encode path of CIFAKE."""

import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, features

from cifake_core.errors import BadInput
from cifake_core.images.codec import FORMATS, decode, decode_file, encode_jpeg, encode_png, shrink
from tests.image_files import jpeg, png, random_pixels, saved


def quadrants() -> np.ndarray:
    """8 × 6 (H × W) with four different flat corners, so that every flip and turn shows."""
    pixels = np.zeros((8, 6, 3), np.uint8)
    pixels[:4, :3], pixels[:4, 3:] = (200, 10, 10), (10, 200, 10)
    pixels[4:, :3], pixels[4:, 3:] = (10, 10, 200), (200, 200, 200)
    return pixels


def test_lossless_formats_decode_to_the_pixels_that_were_saved():
    pixels = random_pixels(1)
    image = Image.fromarray(pixels)
    files = {"PNG": saved(image, "PNG"), "BMP": saved(image, "BMP"), "WEBP": saved(image, "WEBP", lossless=True)}
    for name, data in files.items():
        found = decode_file(data)
        assert found.format == name
        assert np.array_equal(found.pixels, pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_exif_orientations_show_the_same_upright_picture(orientation):
    upright = quadrants()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    assert np.array_equal(decode(saved(image, "PNG", exif=exif)), upright)
    found = decode(saved(image, "JPEG", exif=exif, quality=100, subsampling=0))
    assert np.abs(found.astype(int) - upright).max() < 12  # JPEG is not exact


def test_sixteen_bit_gray_is_scaled_not_clipped():
    gray = np.array([[0, 400, 32768, 65535]], np.uint16)  # 400 / 257 = 1.6
    found = decode(saved(Image.fromarray(gray), "PNG"))
    assert found[0, :, 0].tolist() == [0, 2, 128, 255]
    assert (found[..., 0] == found[..., 2]).all()


def test_sixteen_bit_colour_keeps_the_upper_byte():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    row = b"\x00" + struct.pack(">HHH", 65535, 32768, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    assert decode(data)[0, 0].tolist() == [255, 128, 0]


def test_transparent_parts_are_shown_on_white():
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    assert decode(saved(Image.fromarray(rgba), "PNG"))[0].tolist() == [[255, 0, 0], [255, 255, 255], [127, 127, 127]]


def test_palettes_with_and_without_transparency_gray_and_one_bit_become_rgb():
    palette = Image.fromarray(quadrants()).quantize(4)
    assert np.array_equal(decode(saved(palette, "PNG")), quadrants())
    see_through = Image.new("P", (2, 1))
    see_through.putpalette([9, 9, 9, 50, 60, 70])
    see_through.putpixel((1, 0), 1)
    assert decode(saved(see_through, "PNG", transparency=0))[0].tolist() == [[255, 255, 255], [50, 60, 70]]
    assert decode(saved(Image.new("L", (1, 1), 77), "PNG"))[0, 0].tolist() == [77, 77, 77]
    assert decode(saved(Image.new("1", (1, 1), 1), "PNG"))[0, 0].tolist() == [255, 255, 255]
    assert decode(saved(Image.new("LA", (1, 1), (0, 0)), "PNG"))[0, 0].tolist() == [255, 255, 255]


def test_cmyk_becomes_rgb():
    found = decode(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100, subsampling=0))
    assert np.abs(found.astype(int) - (255, 0, 0)).max() <= 3


def test_only_the_first_frame_is_read():
    frames = [Image.new("RGB", (4, 4), (i % 256, 0, 0)) for i in range(500)]
    data = saved(frames[7], "PNG", save_all=True, append_images=frames)
    started = time.perf_counter()
    assert decode(data)[0, 0].tolist() == [7, 0, 0]
    assert time.perf_counter() - started < 1
    if features.check("webp"):
        data = saved(frames[9], "WEBP", save_all=True, append_images=frames[:5], lossless=True)
        assert decode(data)[0, 0].tolist() == [9, 0, 0]


def flat_png(side: int) -> bytes:
    """A valid PNG of side × side black pixels that is tiny on disk: rows are compressed as a stream."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8 + 1)
    body = b"".join(packer.compress(row) for _ in range(min(side, 2000))) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [6400, 9600, 13_000, 50_000])
def test_bombs_are_refused_at_once_and_without_memory(side):
    data = flat_png(side)
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(BadInput, match="megapixels"):
        decode(data, name="bomb.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - started < 2
    assert peak < 20e6


def test_long_thin_and_single_pixel_images_are_fine():
    assert decode(saved(Image.new("RGB", (20_000, 1), (1, 2, 3)), "PNG")).shape == (1, 20_000, 3)
    assert decode(saved(Image.new("RGB", (1, 1), (1, 2, 3)), "BMP")).tolist() == [[[1, 2, 3]]]


REFUSED = {
    "empty": b"",
    "text": b"hello, I am no image",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "psd": b"8BPS\0\1" + bytes(60),
    "ppm": saved(Image.new("RGB", (4, 4)), "PPM"),
    "a TIFF of fractions": saved(Image.new("F", (4, 4), 0.5), "TIFF"),
    "half a PNG": png(1)[:1500],
    "half a JPEG": jpeg(1)[:700],
    "a JPEG's first bytes": jpeg(1)[:3],
    "a PNG with a flipped byte": png(2)[:1000] + bytes([png(2)[1000] ^ 0xFF]) + png(2)[1001:],
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_a_whole_image_of_a_known_format_is_refused_by_name_in_one_sentence(kind):
    with pytest.raises(BadInput) as caught:
        decode(REFUSED[kind], name="cat.png")
    message = str(caught.value)
    assert message.startswith("cat.png ")
    assert message.endswith(".")
    assert "\n" not in message


def test_every_cut_of_a_file_is_refused_or_decodes_never_anything_else():
    for data in (png(3), jpeg(3), saved(Image.fromarray(random_pixels(3)), "BMP")):
        for cut in range(0, len(data), 37):
            try:
                assert decode(data[:cut]).shape == (32, 32, 3)
            except BadInput:
                pass


def test_encoded_jpegs_have_quality_75_and_4_2_0_like_the_official_files():
    image = Image.open(io.BytesIO(encode_jpeg(random_pixels(4))), formats=FORMATS)
    assert image.layer[0][1:3] == (2, 2)  # luminance is sampled twice as densely both ways
    assert image.layer[1][1:3] == (1, 1)
    # Annex K.1 of the JPEG standard scaled to quality 75: (16·50 + 50) / 100 = 8, (11·50 + 50) / 100 = 6
    assert image.quantization[0][:2] == [8, 6]


def test_png_text_comes_back():
    data = encode_png(random_pixels(5), {"prompt": "a photograph of a naïve 猫", "seed": "7"})
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    assert image.text["prompt"] == "a photograph of a naïve 猫"
    assert np.array_equal(decode(data), random_pixels(5))


def test_shrinking_averages_what_nearest_neighbour_would_pick():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(shrink(stripes).astype(int) - 127).max() <= 4  # without antialiasing it would be all 0 or all 255


def test_shrinking_takes_the_middle_square_and_leaves_small_images_as_they_are():
    wide = np.zeros((64, 192, 3), np.uint8)
    wide[:, 64:128] = (9, 90, 200)
    assert np.abs(shrink(wide)[2:-2, 2:-2].astype(int) - (9, 90, 200)).max() == 0
    assert np.array_equal(shrink(Image.fromarray(random_pixels(6))), random_pixels(6))
