"""Thousands of generators: text-to-image models of the Hugging Face Hub, listed, frozen as a dated catalogue, and sampled."""
