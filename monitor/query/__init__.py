"""The one query language: text -> tree (parse), tree + folded article -> spans (evaluate)."""
