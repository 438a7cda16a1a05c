"""The paper's grid, and that the networks are the ones it names."""

import pytest
import torch

from cifake_core import hardware
from cifake_core.detectors import networks, topology, trainable
from cifake_core.detectors.topology import Topology
from cifake_core.errors import BadInput


def test_the_paper_grid_has_36_cells_of_which_one_lies_in_both_tables():
    cells = topology.grid("paper")
    assert len(cells) == 36
    assert len(set(cells)) == 35
    assert len(topology.grid("extractors")) == 12
    assert len(topology.grid("heads")) == 24
    assert cells.count(Topology(32, 2, 64, 1)) == 2
    assert len(topology.grid("quick")) == 6


def test_a_name_and_its_topology_are_the_same():
    assert Topology.parse("32x2-64x1") == Topology(32, 2, 64, 1) == Topology.parse("32x2")
    assert str(Topology(128, 3, 4096, 3)) == "128x3-4096x3"


@pytest.mark.parametrize("text", ["", "32", "32x", "axb", "0x1", "32x9", "32x2-0x1", "32x2-64x1x", "99999x1"])
def test_what_is_no_topology_is_refused_in_a_sentence(text):
    with pytest.raises(BadInput, match=r"topology"):
        Topology.parse(text)


def test_the_winner_has_the_parameters_counted_by_hand():
    # 3·32·9+32, then 32·32·9+32, then 8·8·32·64+64, then 64+1
    assert Topology(32, 2).parameters() == 896 + 9248 + 131136 + 65


@pytest.mark.parametrize("cell", sorted({str(c) for c in topology.grid("extractors")} | {"32x2-32x3", "32x2-256x2"}))
def test_each_network_has_the_parameters_and_one_logit_an_image(cell):
    network = networks.build(cell)
    assert sum(p.numel() for p in network.parameters()) == Topology.parse(cell).parameters()
    assert network(torch.rand(2, 3, 32, 32)).shape == (2,)


def test_the_network_equals_the_paper_s_layers_written_out():
    torch.manual_seed(0)
    network = networks.build("16x2-32x1")
    first, second = network.convolutions
    plain = torch.nn.Sequential(
        first, torch.nn.ReLU(), torch.nn.MaxPool2d(2), second, torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), network.dense[0], torch.nn.ReLU(), network.output,
    )  # fmt: skip
    images = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(network(images), plain(images).squeeze(1))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("cell", ["16x1-32x1", "32x2-64x1", "64x3-32x2"])
def test_what_is_trained_on_has_the_gradients_of_what_is_scored_and_explained(cell, precision):
    """The stages take another path while a network is trained on a CPU."""
    if precision == "bf16" and not hardware.multiplies_bf16():
        pytest.skip("this processor does not multiply bf16")
    torch.manual_seed(0)
    network = networks.build(cell)
    images, found = torch.rand(8, 3, 32, 32), []
    for mode in (True, False):
        network.train(mode).zero_grad()
        assert networks._trains_on_cpu(network, images) == mode
        with hardware.autocast(images.device, precision):
            logits = network(images).float()
        logits.square().sum().backward()
        found.append([logits.detach(), *(parameter.grad.clone() for parameter in network.parameters())])
    for trained, scored in zip(*found, strict=True):
        if precision == "fp32":
            torch.testing.assert_close(trained, scored, rtol=1e-4, atol=1e-5)
        assert (trained - scored).norm() <= {"fp32": 1e-4, "bf16": 0.03}[precision] * scored.norm()


def test_the_cost_of_the_winner_is_the_products_counted_by_hand():
    assert trainable.cost("32x2-64x1") == 27 * 32 * 1024 + 288 * 32 * 256 + 2048 * 64 + 64
