"""A watch over the news for desk officers: feeds in, evidenced hits and daily digests out."""

__version__ = "0.1.0"
