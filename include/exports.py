#!/usr/bin/env python3
"""Writes a linker's version script that shows exactly the functions that headers declare.

usage: exports.py OUT HEADER…
"""
import re
import sys


def functions(text: str) -> list[str]:
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", " ", text, flags=re.M)
    names = []
    for statement in re.split(r"[;{}]", text):
        found = re.search(r"\b(edn_[a-z0-9_]+)\s*\(", statement)
        if found and "typedef" not in statement and "static inline" not in statement:
            names.append(found.group(1))
    return names


names = sorted({n for path in sys.argv[2:] for n in functions(open(path).read())})
with open(sys.argv[1], "w") as out:
    out.write("EDN_0 {\n  global:\n" + "".join(f"    {n};\n" for n in names) + "  local:\n    *;\n};\n")
