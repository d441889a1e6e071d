"""Measures what the service promises about speed, as ratios against what it is built on."""
