"""The Grad-CAM page: maps beside their images."""
