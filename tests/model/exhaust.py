#!/usr/bin/env python3
"""Has spin exhaust a model, and find an error wherever a rule is left out.

usage: exhaust.py MODEL [LINKS]      the tree's size (account.pml: 6, of 7 it takes minutes and gigabytes; space.pml: 4)
"""
import os
import re
import subprocess
import sys
import tempfile


def search(model, folder, *defines):
    """(errors, states) of a search that went through everything, or stopped at the first error."""
    subprocess.run(["spin", "-a", *defines, model], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    fast = "-O0" if "space" in model else "-O2"          # few states: compiling is what costs
    subprocess.run(["gcc", fast, "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"], cwd=folder, check=True)
    said = subprocess.run(["./pan", "-m100000", "-w24"], cwd=folder, check=True, text=True, capture_output=True).stdout
    if "max search depth too small" in said or "out of memory" in said:
        sys.exit("the search was cut short:\n" + said)
    return (int(re.search(r"errors: (\d+)", said)[1]), int(re.search(r"(\d+) states, stored", said)[1]))


def main():
    model = os.path.abspath(sys.argv[1])
    links = ["-DLINKS=" + sys.argv[2]] if len(sys.argv) > 2 else []
    rules = sorted(set(re.findall(r"BREAK_[A-Z]+", open(model).read())))
    failed = False

    with tempfile.TemporaryDirectory() as folder:
        errors, states = search(model, folder, *links)
        print(f"all rules: {states:,} states, {errors} errors")
        failed |= errors != 0
        for rule in rules:
            errors, states = search(model, folder, *links, "-D" + rule)
            print(f"{rule}: {'found' if errors else 'NOT FOUND'} after {states:,} states")
            failed |= errors == 0
    assert len(rules) >= 6, rules
    sys.exit(failed)


main()
