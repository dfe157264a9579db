#!/usr/bin/env python3
"""Sets search-bench's figures over the peers' of the same run, as JSON lines; says how hit counts agree.

usage: ratios.py DIR      with DIR/NAME.figures: lines "what<TAB>value<TAB>unit", a line as often as it was measured
"""
import json
import os
import statistics
import sys

DIR = sys.argv[1]


def figures(name):
    out = {}
    path = os.path.join(DIR, name + ".figures")
    for line in open(path, encoding="utf-8") if os.path.exists(path) else []:
        what, value, unit = line.rstrip("\n").split("\t")
        out.setdefault(what, []).append((float(value), unit))
    return {what: (statistics.median(v for v, _ in all_), all_[0][1]) for what, all_ in out.items()}


def row(name, value, unit, goal=None, better="lower", stretch=None):
    ok = goal is None or (value >= goal if better == "higher" else value <= goal)
    out = {"name": name, "value": round(value, 6), "unit": unit, "goal": goal or 0, "better": better, "ok": ok}
    if stretch:
        out["stretch"] = stretch
    print(json.dumps(out, ensure_ascii=False))


BIG, PEPYS, LUXUN = figures("big"), figures("pepys"), figures("luxun")


def over(f, what, peer, goal, stretch=None, label=None, of=""):
    if what in f and peer in f:
        row(f"{label or what} / {peer.replace(': ', ' ', 1)}{of}", f[what][0] / f[peer][0], "ratio", goal,
            stretch=stretch)


def absolute(f, what, goal, better="lower"):
    if what in f:
        row(what, *f[what], goal, better)


for f, of in ((BIG, ""), (PEPYS, ", Pepys")):
    small = f is PEPYS
    over(f, "build, CPU", "fts5: build, CPU", None if small else 0.60, 0.45, of=of)
    over(f, "build, memory", "fts5: build, memory", None if small else 0.60, of=of)
    over(f, "index compacted", "fts5: index optimised", 0.70, 0.60, "index at rest, compacted, sealed", of)
    over(f, "index as built", "fts5: index optimised", None, None, "index as built, sealed", of)
    for p, goal, stretch in (("p50", 0.05 if small else 0.03, 0.015), ("p99", 0.06 if small else 0.05, 0.03)):
        over(f, f"first 20, {p}", f"fts5: first 20, {p}", goal, stretch, of=of)
        over(f, f"first 20, {p}", f"xapian: first 20, {p}", None if small else 0.25, 0.15, of=of)
        over(f, f"first 20 without phrases, {p}", f"minisearch: first 20 without phrases, {p}",
             None if small else 0.02, 0.01, of=of)
        over(f, f"first 20 with snippets, {p}", f"fts5: first 20 with snippets, {p}", None if small else 0.06, 0.03,
             of=of)
    over(f, "first 20 of a prefix, p99", "fts5: first 20 of a prefix, p99", 0.03, 0.01, "last word a prefix, p99", of)
    over(f, "hit count, p50", "fts5: hit count, p50", None if small else 0.15, 0.08, of=of)
    over(f, "hit count, p99", "fts5: hit count, p99", None if small else 0.20, 0.12, of=of)
    over(f, "cold open", "fts5: cold open", None if small else 1.5, 1.0, "cold open to the first result, sealed", of)
    over(f, "cold open, common", "fts5: cold open, common", None, None, "cold open to two frequent words, sealed", of)
    over(f, "query, memory", "fts5: query, memory", None if small else 0.75, of=of)
    over(f, "add one entry, CPU", "fts5: add one entry, CPU", None if small else 0.5, 0.25, of=of)
    # A commit of a row that is there anyway: what either adds to it.
    if all(what in f for what in ("a bare commit, CPU", "add one entry, CPU", "fts5: add one entry, CPU")):
        bare, ours, theirs = (f[what][0] for what in ("a bare commit, CPU", "add one entry, CPU",
                                                      "fts5: add one entry, CPU"))
        row(f"add one entry, CPU beyond a bare commit / fts5's{of}", (ours - bare) / (theirs - bare), "ratio",
            None if small else 0.5)
    over(f, "build, CPU", "xapian: build, CPU", None if small else 0.05, of=of)
    over(f, "build, CPU", "minisearch: build, CPU", None if small else 0.06, of=of)
absolute(BIG, "first 20 of a prefix, p99", 6)
absolute(BIG, "wasm: first 20 of a prefix, p99", 12)
absolute(BIG, "mistyped word, p99", 8)
over(PEPYS, "new device, ranked without phrases", "fts5: database by zstd -19", 0.42, 0.27)
over(PEPYS, "new device, ranked without phrases, by year", "fts5: database by zstd -19", 0.42, 0.27)
over(PEPYS, "new device, ranked without phrases, by year", "text by zstd -19, by year, sealed", 0.6)
over(PEPYS, "new device, first hit in the newest year", "fts5: database by zstd -19", 0.04)
absolute(LUXUN, "chinese: strings counted exactly, of 60", 60, "higher")
over(LUXUN, "chinese: index", "fts5: chinese: index by trigrams", 0.55, 0.35)
over(BIG, "wasm module, gzipped", "sqlite3.wasm, gzipped", 0.25, 0.12)
over(BIG, "wasm: first 20, p50", "native: first 20, p50", None)

# Queries whose hits are as many as the peer's. What differs is a possessive before a phrase's next word ("father's
# and" holds "father and" here); in Xapian, that "lord's" is one word and not also "lord"; in MiniSearch, that
# accents are not taken off.
for name, f in (("big", BIG), ("pepys", PEPYS)):
    for peer in ("fts", "xapian", "minisearch"):
        paths = [os.path.join(DIR, f"{name}.{end}") for end in ("hits", peer + "-hits")]
        if all(map(os.path.exists, paths)):
            ours, theirs = (dict((line.split("\t", 1)[1], line.split("\t")[0]) for line in open(p, encoding="utf-8"))
                            for p in paths)
            same = [ours[q] == n for q, n in theirs.items() if not q.startswith("phrase")]
            phrases = [ours[q] == n for q, n in theirs.items() if q.startswith("phrase")]
            row(f"{name}: counts as {peer}'s, no phrases", sum(same) / len(same), "share",
                1 if peer == "fts" else None, "higher")
            if phrases:
                row(f"{name}: counts as {peer}'s, phrases", sum(phrases) / len(phrases), "share", None, "higher")
for name, f in (("big", BIG), ("pepys", PEPYS), ("luxun", LUXUN)):
    for what, (value, unit) in f.items():
        row(f"{name}: {what}", value, unit)
