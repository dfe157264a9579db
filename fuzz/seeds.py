#!/usr/bin/env python3
"""Writes the first inputs of each fuzz target into FOLDER/TARGET: what a well-behaved side would send.

usage: fuzz/seeds.py FOLDER      then scripts/fuzz grows them, and scripts/fuzz --keep takes the useful ones in
"""
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def known():
    """The values of tests/kat/known.txt by name."""
    out, name = {}, None
    with open(os.path.join(HERE, "../tests/kat/known.txt"), encoding="ascii") as f:
        for line in f:
            if line.startswith("  "):
                out[name] += bytes.fromhex(line.strip())
            elif not line.startswith("#"):
                name = line.strip()
                out[name] = b""
    return out


def vectors(name):
    """The cases of EDN_DATA/vectors/edn/NAME.json; none without EDN_DATA."""
    if not os.environ.get("EDN_DATA"):
        return []
    with open(os.path.join(os.environ["EDN_DATA"], "vectors/edn", name + ".json"), encoding="utf-8") as f:
        return json.load(f)["cases"]


def lp(b):
    return struct.pack("<I", len(b)) + b


def base():
    yield b"\x00" + "a day, café, 日記, 😀\n".encode()
    yield b"\x01" + b"00112233445566778899aAbBcCdDeEfF"
    yield b"\x02" + b"YSBkYXksIGEgcGFnZQ"
    yield b"\x03" + bytes([0, 127, 128, 1, 255, 255, 3]) + b"\xff" * 9 + b"\x01"
    yield b"\x04" + lp(b"one") + lp(b"") + lp(b"three")


def devlog(k):
    links = [k[f"link_{i}"] for i in range(8)]
    for checked in (b"\x00", b"\x01"):
        yield checked + b"".join(lp(x) for x in links)
        yield checked + b"".join(lp(x) for x in links[:2])
        space = [k[f"space_link_{i}"] for i in range(5)]
        yield checked + b"".join(lp(x) for x in space)
        yield checked + b"".join(lp(x) for x in space[:3] + links[3:])
        for case in vectors("sigchain"):
            yield checked + b"".join(lp(bytes.fromhex(x)) for x in case["links"])


def diff():
    lines = bytes(range(64)) + b"\x88\x89" * 3
    yield lines + b"\xff" + lines[:20] + b"\x43" + lines[25:] + b"\xff" + lines + b"\x01"
    yield b"\x80\x8c\x84" * 9 + b"\xff" + b"\x80\x8d\x84" * 9 + b"\xff" + b"\x8c\x80\x84" * 9


def keys():
    yield b"\x00" + "  Ｃorrect horse ﬁne é  ".encode()
    yield b"\x01" + b"00000-00000-00000-00000-00000-0WXYZ"
    yield b"\x02" + b"EDNK" + bytes([1, 1, 1, 1]) + struct.pack("<II", 3, 65536) + bytes(16)
    yield b"\x03" + struct.pack("<I", 1) + bytes(range(16)) + bytes(81)
    yield b"\x04" + bytes(24 + 32 + 100 + 16)
    yield b"\xf0" + b" K7Q4-ow4g p38f"
    commit, key, no = b"\x01" + bytes(32), b"\x03" + bytes(range(64)), b"\x00\x01"
    share = b"\x02" + bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
    sealed = b"\x04" + bytes(80)
    for side, said in (1, (commit, key)), (1, (share, commit, key, sealed)), (0, (share, key, sealed)), (0, (no,)):
        yield b"\xf1" + bytes([side]) + b"".join(struct.pack("<H", len(m)) + m for m in said)


def client():
    text = b"We went to the sea. It rained."
    for i in range(64):  # a value for each row, of no row in particular
        yield bytes([0, i]) + b"\x01" + bytes(range(40))
        yield bytes([0, i])
    yield b"\x81\x01\x00\x00\x00" + text
    yield b"\x82\x01\x00\x00\x00" + text
    yield b"\x83\x01\x00\x00\x00" + text
    yield b"\x84\x01\x00" + text * 9
    yield b"\xf0\x10\x00" + text
    yield b"\xf0\x10\x01\x1e" + bytes.fromhex("28b52ffd00") + bytes([0xf1, 0, 0]) + text


def recovery():
    share = ("duckling enlarge academic academic agency result length solution fridge kidney coal piece deal husband "
             "erode duke ajar critical decision keyboard")
    yield b"\x00" + share.encode()
    yield b"\x01" + (share + "\n" + share.upper()).encode()
    yield b"\x02" + bytes([2, 3, 1, 5, 0])
    yield b"\x02" + bytes([1, 1, 0, 40, 7])
    yield b"\x03" + b"0" * 130
    yield b"\x04" + b"\x40" + bytes(range(64))
    yield b"\x05" + b"\x20" + bytes(32) + b"\x40" + bytes(range(64))
    yield b"\x06" + bytes(176)


def server():
    header = b'{"alg":"EdDSA","typ":"edn+jwt","kid":"abcdefg"}'
    claims = (b'{"iss":"https://diary.example","aud":"https://diary.example","sub":"AAAAAAAAAAAAAAAAAAAAAA",'
              b'"dev":"AAAAAAAAAAAAAAAAAAAAAA","sc":3,"iat":1790000000,"nbf":1790000000,"exp":1790000600,'
              b'"jti":"AAAAAAAAAAA"}')
    yield b"\x00" + b"a.b.c"
    yield b"\x01" + header + b"\xff" + claims
    yield b"\x02" + b"# what is not said stays as it was\ndata = /srv/edn\nlisten = 0.0.0.0:443\nquota-bytes = 5G\n"
    yield b"\x02" + b"sign-up = no\nlogin-account-per-min=3\n\nlog-requests = yes"


def remote():
    yield b"\x00" + b": here\n\ndata: one\ndata: two\r\n\r\nevent: x\rdata:three\r\r"
    yield b"\x06" + b"\xef\xbb\xbfdata: " + b"x" * 200 + b"\n\n"
    for o in "https://Diary.Example:443/", "http://127.0.0.1:8420", "https://[2001:DB8::1]:8443", "http://localhost":
        yield b"\x01" + o.encode()


def lan():
    """docs/spec/lan.md: 0 an announcement, 1 an address, else a connection in pieces of one byte less."""
    yield b"\x00EDNl\x01" + bytes(range(16)) + struct.pack("<H", 40123)
    for at in "192.168.1.7:40123", "[fd00::7]:40123", "[::ffff:10.0.0.1]:1", "desk:7", "127.0.0.1:65536":
        yield b"\x01" + at.encode()
    knock = b"\x01the knock there\x00"
    yield b"\x03" + knock + lp(b"\x02" + bytes(32)) + lp(b"\x03" + bytes(64)) + lp(b"\x00\x01")
    yield b"\xff" + knock + lp(b"x" * 5000) + lp(b"")
    yield b"\x08" + knock + struct.pack("<I", 65537)
    yield b"\x05" + b"GET / HTTP/1.1\r\n\r\n"


def wire(k):
    h32, h16, sig, nonce = bytes(range(32)), bytes(range(16)), bytes(64), bytes(range(32, 64))
    heads = struct.pack("<I", 1) + h16 + struct.pack("<Q", 7) + h32
    link, batch = k["link_0"], k["batch_1"]
    one_link, one_batch = struct.pack("<I", 1) + lp(link), struct.pack("<I", 1) + lp(batch)
    messages = [
        h32 + struct.pack("<Q", 1700000000) + lp(b"https://diary.example"),
        b"\x01" + h32 + h16 + bytes(32) + nonce,
        nonce + struct.pack("<Q", 1700000000) + lp(b"https://diary.example") + h32 + bytes(32),
        b"\x01" + h32 + h16 + nonce + nonce + bytes(32) + struct.pack("<QQ", 1700000000, 3) + h32 + sig,
        struct.pack("<Q", 1700000900) + lp(b"header.payload.signature"),
        h32 + one_link + struct.pack("<I", 1) + lp(b"a box"),
        one_link + struct.pack("<I", 0),
        struct.pack("<Q", 3) + h32,
        struct.pack("<I", 2) + h32 + nonce,
        struct.pack("<I", 2) + lp(b"a box") + lp(b""),
        h32 + struct.pack("<Q", 3) + h16 + heads,
        b"\x00" + struct.pack("<Q", 3) + h32 + struct.pack("<Q", 1700000000000) + sig + heads + one_link + one_batch,
        h16 + one_batch,
        b"\x01" + struct.pack("<Q", 1700000000000) + sig,
    ]
    yield b"\x00" + batch
    yield b"\x00" + k["batch_2"]
    for case in vectors("batch"):
        yield b"\x00" + bytes.fromhex(case["batches"][-1])
    yield b"\x01" + k["body"]
    for i, m in enumerate(messages):
        yield bytes([2 + i]) + b"\x01" + m
    names = ["mail", "mails", "set_ask", "held", "held_ask", "lookup", "found", "inbox", "letters",
             None, None, None, None, "share_ask", "shares"]  # in the order of EDN_MESSAGES
    for i, name in enumerate(names, 2 + len(messages)):
        if name:
            yield bytes([i]) + k["message_" + name]


def sync():
    login = bytes([1, 0, 0]) * 3  # server, challenge, token

    def pull(flags, count, head, links, batches, heads):
        return bytes([2, flags, count, head]) + b"".join(
            bytes([len(x)]) + bytes(b for pair in x for b in pair) for x in (links, batches, heads))

    def plain(*which):
        return [(i, 0) for i in which]

    yield login + pull(2, 2, 1, [], [], plain(1, 2))  # in step
    yield login + pull(2, 3, 2, plain(2), plain(3, 4, 5, 6), plain(1, 4, 6))  # all that is new
    yield (login + pull(3, 3, 2, plain(2), plain(4, 6, 5), plain(1, 4, 6))
           + pull(2, 3, 2, [], plain(3, 4), plain(1, 4, 6)))
    yield login + pull(2, 2, 1, [], [(3, 90)], plain(1, 3)) + pull(2, 2, 1, [], plain(3), plain(1, 3))  # altered
    yield login + pull(2, 2, 1, [], plain(7, 8), plain(1, 8))  # a second history
    yield login + pull(2, 2, 1, [], [], plain(9, 2)) + pull(2, 2, 1, [], plain(0, 1, 9), plain(9, 2))  # a clone
    yield login + pull(2, 3, 3, plain(3), [], plain(1, 2))  # another link
    yield login + pull(2, 3, 3, plain(4), plain(12), plain(1, 2, 12))  # a ghost
    yield login + pull(2, 1, 0, [], [], []) + bytes([1, 0, 0]) + pull(2, 2, 1, [], [], []) + bytes([1, 0, 0]) * 3
    yield login + pull(2, 2, 1, [], plain(3, 4, 11), plain(1, 11)) + pull(2, 2, 1, [], plain(0, 1), plain(1, 11))
    yield bytes([1, 0, 0]) * 2 + bytes([0, 5, 0, 0]) + bytes([1, 0, 0]) * 3 + pull(2, 2, 1, [], [], [])  # lost
    yield login + bytes([0, 10, 0, 0])  # busy
    yield bytes([0, 0, 6, 0]) + b"<html>"


def worlds():
    def steps(*rows):
        return b"".join(struct.pack("<BBHHH", *row) for row in rows)

    yield b"\x01" + steps((0, 0, 0, 3, 0), (6, 1, 0, 0, 0), (0, 0, 2, 1, 1), (0, 1, 2, 2, 5), (1, 1, 1, 2, 1),
                          (10, 1, 0, 0, 0))
    yield b"\x02" + steps(*[(0, i % 4, 0, i, i) for i in range(20)], *[(7, i % 4, i + 1, i, 30 * i) for i in range(12)])


def varint(v):
    out = b""
    while v >= 0x80:
        out += bytes([v & 0x7f | 0x80])
        v >>= 7
    return out + bytes([v])


def packed(values):
    width = max(v.bit_length() for v in values)
    bits = sum(v << i * width for i, v in enumerate(values))
    return bytes([width]) + bits.to_bytes((len(values) * width + 7) // 8, "little")


def rice(places, length):
    bits, n, after = 0, 0, 0
    k = max((length * 11 // (16 * (len(places) + 1))).bit_length() - 1, 0)
    for p in places:
        gap, after = p - after, p + 1
        q = gap >> k
        bits |= ((1 << q) - 1 | (gap & (1 << k) - 1) << (q + 1)) << n
        n += q + 1 + k
    return bits, n


def segment_of(docs, terms):
    """docs/spec/segments.md, one leaf: docs as (date's code, words), terms as {bytes: {document: places}}."""
    ids = b"".join(struct.pack("<QQ", i * 77, i) for i in range(len(docs)))
    columns = ids + bytes(8 * len(docs)) + bytes(code - docs[0][0] for code, _ in docs)
    columns += bytes(-len(columns) % 4) + bytes(words for _, words in docs)
    leaf, lists, positions, before = b"", b"", b"", b""
    for key in sorted(terms):
        shared = len(os.path.commonprefix([key, before]))
        leaf += bytes([shared << 4 | len(key) - shared - 1]) + key[shared:]
        found, mark, before = terms[key], 2 <= key[0] < 32, key
        if len(found) == 1 and len(list(found.values())[0]) == 1:
            (doc, places), = found.items()
            leaf += bytes([0, doc]) + (b"" if mark else varint(places[0]))
            continue
        gaps = [b - a - 1 for a, b in zip([-1] + list(found), found)]
        block = packed(gaps) + (b"" if mark else packed([len(p) - 1 for p in found.values()]))
        bits = n = 0
        for doc, places in found.items():
            more, size = rice(places, docs[doc][1])
            bits, n = bits | more << n, n + size
        run = b"" if mark else bits.to_bytes((n + 7) // 8, "little")
        leaf += varint(len(found)) + varint(len(block)) + (b"" if mark else varint(len(run)))
        lists, positions = lists + block, positions + run
    first = min(terms)
    tops = bytes([len(first)]) + first + varint(len(leaf)) + varint(len(lists)) + varint(len(positions))
    out = b"".join(part + bytes(-len(part) % 16) for part in (columns, leaf, lists, positions)) + tops
    return out + b"EDNx" + struct.pack("<HHIIIQIIIBBHIII", 1, 1, len(docs), len(terms), 1, sum(w for _, w in docs), 0,
                                       len(tops), docs[0][0], 1, 1, 0, len(leaf), len(lists), len(positions))


def segment():
    yield segment_of([(753000, 3)], {b"old": {0: [1]}, b"the": {0: [0]}, b"king": {0: [2]}})
    yield segment_of([(753000, 9), (753001, 4), (753040, 200)], {
        b"the": {0: [0, 3, 8], 1: [2], 2: [5, 77, 190]}, b"then": {2: [6]}, b"king": {0: [1], 2: [78]},
        b"\x02travel": {0: [0], 2: [0]}, b"\x01the": {1: [0]}, b"\x03" + bytes(12): {0: [0], 1: [0], 2: [0]}})


def shards():
    """docs/spec/shards.md: 1 a manifest, 2 a body, 3 places of two entries. An image is in the corpus as made."""
    def item(kind, docs, first, last):
        return struct.pack("<BI", kind, 1) + bytes(range(32)) + struct.pack("<IIIIQ", 5000, docs, first, last, 7)
    yield b"\x01\x01" + struct.pack("<QI", 1800000000000, 4) + item(1, 9, 0, 16689999) + \
        item(1, 3, 16690000, 16699999) + item(2, 2, 0, 0) + item(3, 0, 0, 0) + \
        struct.pack("<I", 1) + bytes(16) + lp("Work".encode())
    body = b"\x01\x02" + lp(b"an image") + lp(b"places")
    yield b"\x02" + (lp(body)).ljust(1024, b"\0")
    yield b"\x03\x02" + struct.pack("<I", 2) + bytes(32) + b"\x01\x00\x02\x02\x00\x02\x01\x04" + \
        struct.pack("<I", 2) + bytes(16) + bytes([1] * 16)


def words():
    yield "(sea OR \"the old wind\") -tag:work journal:mine title:king* from:2019 to:2020-02-29".encode()
    yield "wife's 狂人日記 has:attachment NOT (a -b) on:2020".encode() + b"\xff" + \
        "My wife’s cousin, Straße 3.14, l'homme; 今天讀狂人日記，很好。 ไทย 한국어 שָׁלוֹם हिन्दी ❤️🇩🇪".encode()
    yield "“old ki".encode() + b"\xff" + b"_Up_ betimes, e.g. www.example.org a.b:c 1,000\r\n\r\nthe old kin'g " * 9
    yield b"a" * 80 + b"\xff" + "が ﾊﾞ\u0301\u0e38\u0e48\u0c55 ᄒ\u1161\u11ab가\u11a8 \u05d0\"\u05d0 カ_a".encode()


def main(folder):
    k = known()
    targets = {"base": base(), "client": client(), "recovery": recovery(), "server": server(), "devlog": devlog(k),
               "diff": diff(), "keys": keys(), "lan": lan(), "remote": remote(), "segment": segment(),
               "shards": shards(), "sync": sync(), "wire": wire(k), "words": words(), "worlds": worlds()}
    for target, inputs in targets.items():
        os.makedirs(os.path.join(folder, target), exist_ok=True)
        for i, data in enumerate(inputs):
            with open(os.path.join(folder, target, f"seed-{i:02}"), "wb") as f:
                f.write(data)


main(sys.argv[1])
