"""Sample feeds in six languages and the loopback server that shows them: what `monitor demo` polls.

Every outlet is invented and marked "(sample)". The events are real and dated in the text; the
sentences were written for this product.
"""

from monitor.demo.farm import SampleFarm

__all__ = ["SampleFarm"]
