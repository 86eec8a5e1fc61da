"""Text in all scripts: folding with the way back, affixes, sentences, language, HTML to plain text. Pure functions."""

from monitor.text.fold import Folded, FoldedBatch, fold, fold_batch, index_text, widened, words
from monitor.text.letters import SEGMENT, SPACE, shown

__all__ = ["SEGMENT", "SPACE", "Folded", "FoldedBatch", "fold", "fold_batch", "index_text", "shown", "widened", "words"]
