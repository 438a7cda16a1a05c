"""Audit of an image set: what could tell real from fake besides the picture, and what is in it twice."""
