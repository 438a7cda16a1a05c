"""Formats people bring: what is read, how large it may be, and that a large photograph is shrunk in little memory."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from cifake_core.errors import BadInput
from cifake_core.images import codec
from cifake_core.images.codec import decode, decode_file, read_header, shrink, sniffed, thumbnail
from tests.image_files import random_pixels, saved
from tests.import_truth import counts, imported, pixels, put, rows_of
from tests.import_truth import saved as saved_pair


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "AVIF", "HEIF", "WEBP", "BMP"])
def test_every_format_is_read_sniffed_and_stored_as_png_where_it_is_not_kept(workspace, tmp_path, kind):
    smooth = np.repeat(np.repeat(np.arange(16, dtype=np.uint8).reshape(4, 4) * 16, 8, 0), 8, 1)
    data = saved(Image.fromarray(smooth).convert("RGB"), kind, **({"lossless": True} if kind == "WEBP" else {"quality": 100} if kind in ("AVIF", "HEIF") else {}))
    assert sniffed(data[:64])
    found = decode_file(data)
    assert found.format == kind
    assert np.abs(found.pixels[..., 0].astype(int) - smooth).max() <= 8
    made = imported_alone(workspace, tmp_path, data)
    assert made.record["formats"] == {kind if kind in codec.KEPT_FORMATS else "PNG": 1}
    assert rows_of(made)[0]["original_format"] == kind
    assert np.array_equal(made.pixels("train")[0].transpose(1, 2, 0), found.pixels)


def imported_alone(workspace, tmp_path, data: bytes, **options):
    from tests.import_truth import ImageSet, run

    run(workspace, put(tmp_path / "one", {"real/x": data}), **options)
    return ImageSet.open(workspace, "set")


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "HEIF"])
def test_orientation_is_applied_once_whatever_the_format(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side: what is stored at the left is the top
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:, :32] = 255
    found = decode_file(saved(Image.fromarray(stored), kind, exif=exif.tobytes(), quality=95))
    assert (found.original.width, found.original.height) == (32, 64)
    assert found.pixels.shape == (64, 32, 3)
    assert found.pixels[:24].mean() > 200 > 50 > found.pixels[40:].mean()


def test_only_the_first_frame_of_a_gif_counts_and_its_transparent_parts_are_white():
    frames = [Image.new("P", (4, 4), n) for n in (0, 1)]
    for frame in frames:
        frame.putpalette([10, 20, 30, 200, 0, 0])
    assert decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))[0, 0].tolist() == [10, 20, 30]
    assert decode(saved(frames[1], "GIF", transparency=1))[0, 0].tolist() == [255, 255, 255]


def test_a_phones_picture_with_a_second_one_behind_it_is_a_jpeg():
    image = Image.fromarray(random_pixels(1))
    data = saved(image, "MPO", save_all=True, append_images=[image])
    assert decode_file(data).format == "JPEG"


def photograph(width: int, height: int, **options) -> bytes:
    """A JPEG with a bright middle square, which shrinking must find again."""
    gray = np.full((height, width), 40, np.uint8)
    gray[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 220
    return saved(Image.fromarray(gray), "JPEG", quality=60, **options)


def test_above_forty_megapixels_a_picture_is_read_only_where_it_is_shrunk_and_then_in_little_memory():
    data = photograph(8000, 6000)
    with pytest.raises(BadInput, match="8000 × 6000, more than 40 megapixels; make it smaller first, or import it with resizing"):
        decode(data)
    found = decode_file(data, shrink_to=32)
    assert (found.original.width, found.original.height) == (8000, 6000)
    assert found.pixels.shape == (32, 32, 3)
    expected = shrink(np.asarray(Image.open(io.BytesIO(data)).reduce(2).convert("RGB")))
    assert np.abs(found.pixels.astype(int) - expected).max() <= 3


def test_a_jpeg_above_the_limit_is_decoded_at_the_fraction_that_fits(monkeypatch):
    monkeypatch.setattr(codec, "MAX_PIXELS", 10_000)
    seen = []
    monkeypatch.setattr(codec, "_to_rgb", lambda image: seen.append(image.size) or image.convert("RGB"))
    for width in (100, 101, 201, 401):
        decode_file(photograph(width, 100), shrink_to=32)
    assert seen[0] == (100, 100)
    assert all(w * h <= 10_000 for w, h in seen)
    assert [w for w, _ in seen[1:]] == [51, 101, 101]


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "PNG"), ("RGBA", "PNG"), ("L", "TIFF"), ("P", "PNG")])
def test_other_formats_above_the_limit_are_shrunk_too_and_have_a_limit_of_their_own(monkeypatch, mode, kind):
    image = Image.open(io.BytesIO(photograph(300, 200))).convert(mode)
    whole = decode_file(saved(image, kind), shrink_to=32).pixels
    monkeypatch.setattr(codec, "MAX_PIXELS", 30_000)
    assert np.abs(decode_file(saved(image, kind), shrink_to=32).pixels.astype(int) - whole).max() <= 12
    monkeypatch.setattr(codec, "MAX_SHRUNK_PIXELS", 50_000)
    with pytest.raises(BadInput, match="300 × 200, more than 0 megapixels; make it smaller first\\.$"):
        decode_file(saved(image, kind), shrink_to=32)


def test_a_progressive_jpeg_has_a_lower_limit_for_its_coefficients_are_all_in_memory(monkeypatch):
    monkeypatch.setattr(codec, "MAX_PROGRESSIVE_PIXELS", 10_000)
    decode_file(photograph(200, 100), shrink_to=32)
    with pytest.raises(BadInput, match="200 × 100"):
        decode_file(photograph(200, 100, progressive=True), shrink_to=32)


def test_a_bomb_is_refused_where_pictures_are_shrunk_too():
    bomb = photograph(200, 100)
    at = bomb.index(b"\xff\xc0") + 5
    huge = bomb[:at] + b"\xff\xff\xff\xff" + bomb[at + 4 :]
    tracemalloc.start()
    with pytest.raises(BadInput, match="65535 × 65535, more than 200 megapixels"):
        decode_file(huge, shrink_to=32)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_headers_tell_format_and_upright_size_and_thumbnails_keep_the_shape():
    exif = Image.Exif()
    exif[0x0112] = 8
    data = photograph(300, 200, exif=exif)
    assert read_header(data) == ("JPEG", 200, 300)
    assert Image.open(io.BytesIO(thumbnail(data, 96))).size == (64, 96)
    with pytest.raises(BadInput, match="not a JPEG"):
        read_header(b"hello")


@pytest.mark.parametrize("head", [b"hello world, this is no picture at all", b"", b"BM", b"\0\0\0\x18ftypisom", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_picture_is_not_taken_for_one(head):
    assert not sniffed(head)


def test_a_folder_of_mixed_suffixes_is_read_whole(workspace, tmp_path):
    kinds = {"jpg": "PNG", "jfif": "PNG", "tif": "TIFF", "png": "BMP"}  # the suffix may lie
    files = {f"{('real', 'fake')[fake]}/{i}.{suffix}": saved_pair(i, fake, kind) for i, (suffix, kind) in enumerate(kinds.items()) for fake in (0, 1)}
    made = imported(workspace, put(tmp_path / "mine", files))
    assert counts(made) == {"train": (4, 4)}
    assert np.array_equal(made.pixels("train")[0].transpose(1, 2, 0), pixels(0, 1))
