"""Imported last by the process that `programs` forks from.

What it has imported never goes, and a program that looked for garbage in it would copy each page of it, which is a
sixth of a start.
"""

import gc

gc.collect()
gc.freeze()
