"""`python -m auth <role>`, see servicekit.runtime; and `python -m auth rotate-keys`, see auth.rotation."""

import sys

from auth.app import SERVICE
from auth.rotation import COMMAND, rotate
from servicekit.runtime import main

arguments = sys.argv[1:]
raise SystemExit(rotate(arguments[1:]) if arguments[:1] == [COMMAND] else main(SERVICE, arguments))
