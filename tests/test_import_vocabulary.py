"""The vocabulary of imports: what names of labels, splits and generators mean, and which mean nothing."""

import pytest

from cifake_core.errors import BadInput
from cifake_core.images.sources.vocabulary import Vocabulary, is_generator, meaning_of, split_of, tokens

REAL = "real REAL Real reals photo photos Photograph photographs human nature natural authentic original camera genuine 0_real RealArt real_images "
REAL += "training_real non-ai NonAI not_fake human-generated natural_images Photo-2 realfaces real_dogs"
FAKE = "fake FAKE ai AI generated synthetic artificial AI_Generated AiArtData training_fake 1_fake deepfake diffusion gan stable-diffusion StyleGAN2 "
FAKE += "not-real midjourney AI-generated-image aigc fake_photos fakeimages ai_generated_human_photos_fake"


@pytest.mark.parametrize("name", REAL.split())
def test_names_of_reals_in_any_case_and_their_parts(name):
    assert meaning_of(name).label == 0


@pytest.mark.parametrize("name", FAKE.split()[:-1])
def test_names_of_fakes_in_any_case_and_their_parts(name):
    assert meaning_of(name).label == 1


@pytest.mark.parametrize("name", ["quagga", "zebra", "0", "1", "train", "realism", "surreal", "organ", "nature_reserve", "train_station", "", "tvmonitor"])
def test_what_is_no_name_of_a_label_means_nothing(name):
    assert meaning_of(name).label is None
    assert not meaning_of(name).both


@pytest.mark.parametrize("name", ["real_vs_fake", "Real-and-AI", "ai_vs_human", "AI or original"])
def test_what_fits_both_means_neither(name):
    assert meaning_of(name).label is None
    assert meaning_of(name).both


def test_names_fall_into_words():
    assert tokens("AiArtData") == ["ai", "art", "data"]
    assert tokens("training_fake-2") == ["training", "fake", "2"]
    assert tokens("StyleGAN2") == ["style", "gan", "2"]


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("Training", "train"), ("training_real", "train"), ("val", "validation"), ("valid", "validation"), ("dev", "validation"),
     ("val2017", "validation"), ("test", "test"), ("test_data_v2", "test"), ("CompEval", "test"), ("train_station", None), ("latest", None), ("cat", None)],
)  # fmt: skip
def test_names_of_splits(name, split):
    assert split_of(name) == split


def test_generators_by_names_in_use_and_plain_words_only_where_one_is_expected():
    assert all(map(is_generator, ("biggan", "ProGAN", "stable_diffusion_v_1_4", "Midjourney", "imagenet_ai_0419_biggan", "SD15")))
    assert not any(map(is_generator, ("tvmonitor", "playground", "flux", "gan", "diffusion", "train", "san_francisco")))
    assert is_generator("ADM", expected=True)
    assert is_generator("glide", expected=True)
    assert not is_generator("tvmonitor", expected=True)


def test_the_user_says_what_names_and_numbers_mean_and_not_both():
    said = Vocabulary(real=("Quagga",), fake=("zebra", "real"), number_names=("fake", "Quagga"))
    assert [said.meaning(name).label for name in ("quagga", "ZEBRA", "real", "0", "1.0", "2", "photo")] == [0, 1, 1, 1, 0, None, 0]
    with pytest.raises(BadInput, match="said to mean real and fake"):
        Vocabulary(real=("a",), fake=("A",))
    with pytest.raises(BadInput, match="'quagga' of a label number means neither"):
        Vocabulary(number_names=("real", "quagga"))
