#!/usr/bin/env python3
"""Recovery shares on paper: made, printed, tried, and every way in which one can be wrong."""
import html

from harness import *


def words_of(page):
    page = page.split("nothing.\n\n")[-1].split("\n\n")[0]
    return " ".join(w for _, w in sorted((int(n), w) for n, w in re.findall(r"\b(\d+) ([a-z]{4,8})\b", page)
                                         if int(n) <= 33))


class Recovery(Case):
    def one(self):
        s = self.server()
        a = self.device("a").init(s)
        a.add("Kept for ever")
        a.run("sync")
        return s, a

    def pages(self, a, *args):
        folder = tempfile.mkdtemp(dir=self.dir)
        r = a.run("recovery", "setup", "--pages", folder, *args, passphrase=True)
        self.assertIn("good from now on", r.note)
        files = files_of(folder)
        self.assertEqual({os.stat(os.path.join(folder, f)).st_mode & 0o777 for f in files}, {0o600})
        return folder, files

    def test_shares_are_printed_and_alive(self):
        s, a = self.one()
        folder, files = self.pages(a, "--threshold", "3", "--shares", "5")
        self.assertEqual(sorted(files), sorted(f"share-{i}.{e}" for i in range(1, 6) for e in ("txt", "html")))
        words = []
        for i in range(1, 6):
            text, page = (files[f"share-{i}.{e}"].decode() for e in ("txt", "html"))
            words.append(words_of(text))
            self.assertEqual(len(words[-1].split()), 33)
            self.assertEqual(words_of(page.split("<pre>")[1].split("</pre>")[0]), words[-1])
            self.assertIn(s.url, text)
            self.assertIn("<svg", page)
            self.assertIn(s.url, html.unescape(page))
        self.assertEqual(len(set(words)), 5)
        r = a.run("recovery", "drill", input="\n".join([words[4], words[0], words[2]]).encode() + b"\n")
        self.assertIn("The shares are alive", r.text)
        self.assertIn("3 of 5 shares", a.run("recovery", "status").text)
        self.assertIn("recovery", [c["type"] for c in a.run("log", "--json").json])
        # A second set leaves the pages of the first alone, and ends what they were worth.
        self.assertIn("share-1.txt", a.run("recovery", "setup", "--pages", folder, passphrase=True, code=STORAGE).note)
        self.assertEqual(files_of(folder), files)
        self.pages(a)
        r = a.run("recovery", "drill", input=words[0].encode() + b"\n", code=FAILED)
        self.assertIn("older set", r.note)

    def test_what_is_wrong_with_a_share_is_said(self):
        _, a = self.one()
        a.run("recovery", "drill", code=NOT_FOUND)
        _, files = self.pages(a, "--threshold", "2", "--shares", "2")
        one, two = (words_of(files[f"share-{i}.txt"].decode()) for i in (1, 2))
        typo = one.split()
        typo[6] = "zzzz"
        lines = [" ".join(typo), one.upper(), one, "hello", "  " + two.replace(" ", "   ")]
        r = a.run("recovery", "drill", input="\n".join(lines).encode() + b"\n")
        self.assertIn("word 7", r.note)
        self.assertIn("share 1 was given already", r.note)
        self.assertIn("alive", r.text)
        a.run("recovery", "drill", input=one.encode() + b"\n", code=FAILED)  # too few
        for args in (("--threshold", "4", "--shares", "3"), ("--threshold", "1"),
                     ("--shares", "16", "--threshold", "0")):
            a.run("recovery", "setup", *args, passphrase=True, code=INPUT)
        a.run("recovery", "setup", "--shares", "17", passphrase=True, code=USAGE)
        a.run("recovery", "setup", passphrase="not the passphrase", code=LOCKED)

    def test_a_bare_machine_brings_it_back(self):
        s, a = self.one()
        b = self.device("b")
        b.login(s, a.account_key)
        b.run("sync")
        b.add("Of the other device")
        b.run("sync")
        _, files = self.pages(a, "--threshold", "2", "--shares", "3")
        page = files["share-3.txt"].decode()
        a.run("sync")
        known = {f: getattr(re.search(rf"^  {f} +(\S+)$", page, re.M), "group")(1) for f in ("Server", "Name", "Set")}
        self.assertEqual((known["Server"], known["Name"]), (s.url, "ada"))
        c = self.device("c")
        c.passphrase = "everything is new"
        args = ("recover", "--server", known["Server"], "--name", known["Name"], "--strength", "floor", "--timeout",
                KEEP)
        c.run(*args, code=USAGE)
        c.run(*args, "--set", known["Set"][:-1] + ("0" if known["Set"][-1] != "0" else "1"), code=INPUT)
        shares = [words_of(files[f"share-{i}.txt"].decode()) for i in (3, 3, 1)]
        r = c.run(*args, "--set", known["Set"].lower(), input="\n".join(shares).encode() + b"\n")
        self.assertIn("given already", r.note)
        self.assertIn("Account key", r.text)
        c.kept = HAS_KEYRING
        self.assertEqual(len(c.run("list").lines), 2)
        a.run("sync", code=(NOT_AUTHENTIC, NETWORK, LOCKED))
        self.assertEqual([d["active"] for d in c.run("device", "list", "--json").json], [False, False, True])
        self.assertIn("no longer open", c.run("recovery", "status").text)
        c.add("Life goes on")
        self.assertIn("holds everything", c.run("sync").text)


if __name__ == "__main__":
    main()
