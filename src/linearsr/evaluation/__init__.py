"""Measuring results: metrics, running them over folders of images, and the table that comes out."""
