"""The terminal application: queue, screens and command line over the inference package `pipelines`."""

__version__ = "0.2.0"
