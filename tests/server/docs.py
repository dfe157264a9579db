#!/usr/bin/env python3
"""usage: docs.py EDND OPERATING.md

Each option of ednd is in the page with its default, and the page has no other."""
import re
import subprocess
import sys

program, page = sys.argv[1:]
help_text = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
options = {m[1]: m[2] or "" for m in re.finditer(r"^  --([a-z-]+)(?: [A-Z:]+)? .*?(?: \[(.*)\])?$", help_text, re.M)}
for name in ("help", "man", "version"):
    del options[name]

documented, problems = {}, []
with open(page, encoding="utf-8") as f:
    section = f.read().split("## Options")[1].split("## What to watch")[0]
for row in re.findall(r"^\| (`.*?)\|(.*?)\|", section, re.M):
    names, values = re.findall(r"`([a-z-]+)`", row[0]), [v.strip() for v in row[1].split(",")]
    for i, name in enumerate(names):
        documented[name] = values[i] if len(values) == len(names) else values[0]

for name in sorted(options.keys() | documented.keys()):
    if name not in documented:
        problems.append(f"--{name} is not in {page}")
    elif name not in options:
        problems.append(f"{page} has '{name}', which is no option")
    elif options[name] and options[name] != documented[name]:
        problems.append(f"--{name}: the default is {options[name]}, {page} says {documented[name]}")
print("\n".join(problems))
sys.exit(1 if problems else 0)
