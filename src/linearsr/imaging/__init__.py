"""Image files in and out: limits, decoding, colour, geometry and atomic writes. Imports no torch."""
