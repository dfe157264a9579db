#!/usr/bin/env python3
"""Switches each planted bug on, counts the seeds until the simulator finds it, and writes the table into
docs/RELIABILITY.md. usage: sim/plants.py SEEDS [BUILD]"""
import concurrent.futures
import os
import re
import subprocess
import sys

seeds = sys.argv[1]
build = sys.argv[2] if len(sys.argv) > 2 else 'build-plants'
if not os.path.isdir(build):
    subprocess.run(['meson', 'setup', build, '-Dplants=true'], check=True, stdout=subprocess.DEVNULL)
subprocess.run(['ninja', '-C', build, 'edn-sim'], check=True, stdout=subprocess.DEVNULL)


def hunt(plant):
    name, text = plant
    run = subprocess.run([build + '/edn-sim', '--seeds', seeds, '--days', '4', '--twice', '0', '--until-broken'],
                         env={**os.environ, 'EDN_PLANT': name}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True)
    found = re.search(r'^seed (\d+): (.*?)( \(\d+ violations\))?$', run.stdout, re.M)
    if found:
        within, how = found[1], found[2]
    elif run.returncode < 0:
        within, how = '1', 'the program stops itself'
    else:
        within, how = 'not within ' + seeds, ''
    row = f'| {name} | {text} | {within} | {how[:110].replace("|", "/")} |'
    print(row, flush=True)
    return row, bool(how)


plants = re.findall(r'X\((\w+), "(.*?)"\)', open('sim/plants.h').read())
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    results = list(pool.map(hunt, plants))
rows = [row for row, _ in results]
missed = sum(not found for _, found in results)
page = open('docs/RELIABILITY.md').read()
head, rest = page.split('<!-- plants -->\n', 1)
tail = rest.split('<!-- end of plants -->', 1)[1]
table = ('| planted bug | what it does | found within seeds | how it showed |\n|---|---|---|---|\n'
         + '\n'.join(rows) + '\n')
open('docs/RELIABILITY.md', 'w').write(head + '<!-- plants -->\n' + table + '<!-- end of plants -->' + tail)
print(f'{len(rows) - missed} of {len(rows)} planted bugs found')
sys.exit(1 if missed else 0)
