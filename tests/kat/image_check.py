#!/usr/bin/env python3
"""Reads an image of the synced index, from docs/spec/shards.md ("Image") and docs/search.md ("Accents") alone, and says
whether it holds what its diary does.

usage: image_check.py IMAGE_MAKE KNOWN             what IMAGE_MAKE makes of the diary below is KNOWN's bytes, and those
                                                   hold the diary
       image_check.py IMAGE_MAKE KNOWN --write     after a change of the format: writes KNOWN

Shares no code with EDN.
"""
import subprocess
import sys
import unicodedata

# ---- the diary -------------------------------------------------------------------------------------------------------

WORDS = ("sea wind betimes king kingdom kings the and a of harbour walked home quay gannets rain late early letter "
         "résumé resume naïve naive Ærø été ete éte überschwemmungsgebietsverordnungen überschwemmungsgebiet").split()
JOURNAL = b"a journal of kat"


def diary(n=160):
    """Entries as (id, date, title, tag, text): the same every time."""
    state = 20260101

    def below(k):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % k

    out = []
    for i in range(n):
        date = 0 if i % 11 == 0 else (1999 + below(4) * below(9)) * 10000 + (1 + below(12)) * 100 + 1 + below(28)
        words = [WORDS[min(below(len(WORDS)), below(len(WORDS)))] for _ in range(below(40))]
        words += ["w%dx" % (below(30) * below(30)) for _ in range(below(12))]
        words += ["rain"] * (below(90) if i % 17 == 0 else 0)  # counts that one bit each does not tell
        title = " ".join(WORDS[below(len(WORDS))] for _ in range(below(4)))
        tag = ("", "travel", "Work", "été")[below(4)]
        ident = bytes(below(256) for _ in range(16))
        out.append((ident, date, title, tag, " ".join(words)))
    return out


SPELT = {"æ": "ae", "ø": "o", "œ": "oe", "ł": "l"}


def fold(word):
    """The folded word and its accents, as docs/search.md tells."""
    letters, total, out = 0, 0, ""
    for c in unicodedata.normalize("NFKD", word.casefold()):
        if c in SPELT:
            out += SPELT[c]
            letters += len(SPELT[c])
        if c in SPELT or unicodedata.combining(c):
            h = (letters * 0x9e3779b1 + ord(c)) * 0x85ebca6b % 2**32
            h = (h ^ h >> 15) * 0xc2b2ae35 % 2**32
            total += h ^ h >> 13
        else:
            out += c
            letters += 1
    return out.encode(), total % 2**24


def index(entries):
    """What a segment of them is to hold: documents, and of each term (document, count) in order; marks count 0."""
    entries = sorted(entries, key=lambda e: (e[1], e[0]))
    documents, terms = [], {}
    for doc, (ident, date, title, tag, text) in enumerate(entries):
        here, accented = {}, {}
        for where, words in (("title", title.split()), ("text", text.split()), ("tag", tag.split())):
            for word, accents in map(fold, words):
                for kind, key in ((5, word), (6, b"\1" + word)) if where == "title" else ((5, word),):
                    here[key] = here.get(key, 0) + 1
                    accented.setdefault((kind, word), []).append(accents)
        for (kind, word), all_ in accented.items():
            if len(word) <= 60 and any(all_):
                begin = bytes([kind]) + word + b"\1"
                here.update({begin + accents.to_bytes(3, "big"): 0 for accents in all_ if accents})
                if 0 in all_:
                    here[begin] = 0
        if tag:
            here[b"\2" + fold(tag)[0]] = 0
        here[b"\3" + JOURNAL] = 0
        documents.append((ident, date, len((title + " " + text + " " + tag).split())))
        for key, count in here.items():
            terms.setdefault(key, []).append((doc, count))
    return documents, dict(sorted(terms.items()))


# ---- the image -------------------------------------------------------------------------------------------------------


class Coder:
    """The range coder: contexts are told apart by a tuple, nodes made when they are met."""

    def __init__(self, data):
        assert data[0] == 0
        self.data, self.at, self.range = data, 5, 0xffffffff
        self.code = int.from_bytes(data[1:5], "big")
        self.nodes = {}

    def chance(self, node):
        return self.nodes.get(node, (32768, 0))

    def learn(self, node, bit):
        p, n = self.chance(node)
        rate = int(65536 * 10 // (10 * n + 16))
        p = p - (p * rate >> 16) if bit else p + ((65535 - p) * rate >> 16)
        self.nodes[node] = min(max(p, 32), 65504), min(n + 1, 255)

    def bit_at(self, p):
        bound = (self.range >> 16) * p
        bit = self.code >= bound
        if bit:
            self.code -= bound
            self.range -= bound
        else:
            self.range = bound
        while self.range < 1 << 24:
            self.range <<= 8
            self.code = (self.code << 8 | self.data[self.at]) & 0xffffffff
            self.at += 1
        return int(bit)

    def bit(self, node):
        bit = self.bit_at(self.chance(node)[0])
        self.learn(node, bit)
        return bit

    def bit_of_two(self, one, other):
        p, (q, m) = self.chance(one)[0], self.chance(other)
        m = min(m, 16)
        bit = self.bit_at((2 * p + m * q) // (2 + m))
        self.learn(one, bit)
        self.learn(other, bit)
        return bit

    def number(self, context):
        lead = ()
        for _ in range(5):
            lead += (self.bit((context, "bits", lead)),)
        bits = int("".join(map(str, lead)), 2)
        value, low = 1, ()
        for i in range(bits):
            if i < 3:
                bit = self.bit((context, "low", bits, low))
                low += (bit,)
            else:
                bit = self.bit_at(32768)
            value = value << 1 | bit
        return value - 1

    def end(self):
        return self.at == len(self.data) and self.code == 0


def bits_of(n):
    return n.bit_length()


def date_of(code):
    if code == 0:
        return 0
    months, day = divmod(code - 1, 31)
    return months // 12 * 10000 + (months % 12 + 1) * 100 + day + 1


def read_key(c, before):
    shared = c.number("SHARED")
    assert shared <= len(before)
    key, first, more = bytearray(before[:shared]), True, True
    while more:
        one = key[-1] if key else 0
        two = key[-2] & 31 if len(key) > 1 else 0
        byte = ()
        for _ in range(8):
            byte += (c.bit_of_two(("byte", one, byte), ("pair", two, one, byte)),)
        key.append(int("".join(map(str, byte)), 2))
        more = c.bit(("more", first, key[-1]))
        first = False
    return bytes(key)


def read_list(c, mark, documents):
    left_to_list = c.number("DF mark" if mark else "DF") + 1
    listed, following, before = [], 0, 0
    while left_to_list:
        q = max(4 * (len(documents) - following) // left_to_list, 4)
        size = bits_of(q)
        doc = following + c.number(("GAP", min(4 * (size - 3) + (q >> size - 3 & 3), 79)))
        count = 0
        if not mark:
            length = min(bits_of(documents[doc][2]), 15)
            less = 0
            while less < 15 and c.bit(("count", less, min(before, 3), length)):
                less += 1
            if less == 15:
                less += c.number("COUNT")
            before, count = less, less + 1
        listed.append((doc, count))
        following = doc + 1
        left_to_list -= 1
    return listed


def read(image):
    number = lambda at: int.from_bytes(image[at:at + 4], "little")
    assert image[0] == 1
    n, terms_n, postings = number(1), number(5), number(9)
    ids = [image[13 + 16 * i:29 + 16 * i] for i in range(n)]
    c = Coder(image[13 + 16 * n:])
    documents, code = [], 0
    for ident in ids:
        code += c.number("DATE")
        documents.append((ident, date_of(code), c.number("LENGTH")))
    terms, key = {}, b""
    for _ in range(terms_n):
        new = read_key(c, key)
        assert new > key
        key = new
        terms[key] = read_list(c, 2 <= key[0] < 32, documents)
    assert c.end() and postings == sum(map(len, terms.values()))
    return documents, terms


# ---- both ------------------------------------------------------------------------------------------------------------


def main():
    maker, known = sys.argv[1:3]
    entries = diary()
    lines = "".join("\t".join((i.hex(), str(d), title, tag, text)) + "\n" for i, d, title, tag, text in entries)
    made = subprocess.run([maker], input=lines, capture_output=True, text=True, check=True).stdout
    if sys.argv[3:] == ["--write"]:
        open(known, "w", encoding="ascii").write(made)
    kept = open(known, encoding="ascii").read()
    documents, terms = read(bytes.fromhex("".join(kept.split())))
    want_documents, want_terms = index(entries)
    wrong = [key for key in sorted(set(terms) | set(want_terms)) if terms.get(key) != want_terms.get(key)]
    for key in wrong[:10]:
        print(f"# {key}: {terms.get(key)}, not {want_terms.get(key)}")
    checks = {"the kept bytes hold the documents": documents == want_documents,
              f"and all {len(want_terms)} terms, with their counts": not wrong,
              "the image of the same diary is these bytes today": made == kept}
    print(f"1..{len(checks)}")
    for i, (what, ok) in enumerate(checks.items(), 1):
        print(f"{'' if ok else 'not '}ok {i} - {what}")
    return not all(checks.values())


sys.exit(main())
