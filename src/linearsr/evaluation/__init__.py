"""Measuring results: metrics, test sets known by name, and the tables and page that come out."""
