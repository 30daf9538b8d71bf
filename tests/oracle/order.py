"""order.py CODE first-a|first-b: two isolated interpreters run CODE; the one named ends first, the other goes on and ends."""

import sys

import _interpreters as interpreters

code, order = sys.argv[1:3]
a = interpreters.create("isolated")
interpreters.run_string(a, code)
b = interpreters.create("isolated")
interpreters.run_string(b, code)
first, second = (a, b) if order == "first-a" else (b, a)
interpreters.destroy(first)
interpreters.run_string(second, code)
interpreters.destroy(second)
print("both ended", flush=True)
