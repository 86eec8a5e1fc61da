"""A watch over the news for desk officers: feeds in, evidenced hits and daily digests out."""

import os

# no sums of matrices are done here: threads that wait for some only take time from each start
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
