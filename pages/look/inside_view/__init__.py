"""The Layer by layer page: choosing an image, and each stage of its way through a network as a sheet of maps."""
