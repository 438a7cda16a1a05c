"""Where fakes come from: the demo world, latent diffusion trained here, any diffusers pipeline. It does not know detectors."""
