"""What Park and Owens 2025 published on the number of generators in training, for comparison beside our own curves."""

# Mean average precision on unseen generators; 100,000 images fixed, ten random subsets a point. Read second-hand, from
# their figure on the number of models.
SCALING: dict[str, dict[int, float]] = {
    "latent diffusion": {3: 0.969, 10: 0.985, 33: 0.988, 100: 0.991, 333: 0.991, 1000: 0.992, 3333: 0.993},
    "commercial": {3: 0.894, 10: 0.924, 33: 0.937, 100: 0.942, 333: 0.944, 1000: 0.946, 3333: 0.948},
    "GAN": {3: 0.759, 10: 0.811, 33: 0.815, 100: 0.827, 333: 0.840, 1000: 0.852, 3333: 0.855},
    "pixel diffusion": {3: 0.738, 10: 0.765, 33: 0.779, 100: 0.788, 333: 0.800, 1000: 0.805, 3333: 0.805},
}
