"""The one place that puts hooks on a network. Whatever happens inside the block, the network is left as it was found."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards mode, gradients, hooks and layers are those from before, also when it raises.

    Layers, because Ablation-CAM puts one of its own in place of the layer it explains while it works.
    """
    modules = list(network.modules())
    modes = {module: module.training for module in modules}
    hooks = {module: [dict(getattr(module, name)) for name in _HOOKS] for module in modules}
    children = {module: dict(module._modules) for module in modules}
    gradients = {parameter: parameter.grad for parameter in network.parameters()}
    wanted = {parameter: parameter.requires_grad for parameter in network.parameters()}
    network.eval()
    try:
        yield
    finally:
        for module in modules:
            module._modules.update(children[module])
            module.training = modes[module]
            for name, before in zip(_HOOKS, hooks[module], strict=True):
                store = getattr(module, name)
                for key in set(store) - set(before):
                    del store[key]
        for parameter, gradient in gradients.items():
            parameter.grad = gradient
            parameter.requires_grad_(wanted[parameter])
