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

    def lost(self, *args):
        """A server with these options, an account on two devices, and what stands on a page of a set of 2 of 3."""
        s = self.server(*args)
        a = self.device("a").init(s)
        a.add("Kept for ever")
        a.run("sync")
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
        shares = [words_of(files[f"share-{i}.txt"].decode()) for i in (3, 3, 1)]
        where = ("recover", "--server", known["Server"], "--name", known["Name"], "--strength", "floor", "--timeout",
                 KEEP)
        c = self.device("c")
        c.passphrase = "everything is new"
        return s, a, b, c, where, known["Set"], "\n".join(shares).encode() + b"\n"

    def came_back(self, a, c, r):
        self.assertIn("Account key", r.text)
        c.kept = HAS_KEYRING
        self.assertEqual(len(c.run("list").lines), 2)
        a.run("sync", code=(NOT_AUTHENTIC, NETWORK, LOCKED))
        self.assertEqual([d["active"] for d in c.run("device", "list", "--json").json], [False, False, True])
        self.assertIn("no longer open", c.run("recovery", "status").text)
        c.add("Life goes on")
        self.assertIn("holds everything", c.run("sync").text)

    def test_a_bare_machine_brings_it_back(self):
        s, a, b, c, where, of_set, shares = self.lost("--recovery-wait", "0")
        c.run(*where, code=USAGE)
        c.run(*where, "--set", of_set[:-1] + ("0" if of_set[-1] != "0" else "1"), code=INPUT)
        r = c.run(*where, "--set", of_set.lower(), input=shares)
        self.assertIn("given already", r.note)
        self.came_back(a, c, r)
        c.run("recover", passphrase=True, code=INPUT)  # there is a diary, and nothing left to do

    def test_it_waits_and_everybody_is_told(self):
        s, a, b, c, where, of_set, shares = self.lost()
        r = c.run(*where, "--set", of_set, input=shares, passphrase=True, code=NETWORK)
        self.assertIn("in 72 hours", r.note)
        self.assertIn("in 72 hours", c.run("recover", passphrase=True, code=NETWORK).note)  # no share is asked for
        c.run("list", passphrase=True, code=NOT_FOUND)
        for d in (a, b):
            self.assertIn("SOMEBODY RECOVERS THIS ACCOUNT", d.run("sync").note)
            self.assertIn("SOMEBODY RECOVERS THIS ACCOUNT", d.run("status").note)
        self.assertEqual(a.run("status", "--json").json[0]["recovery"]["state"], "waiting")
        self.assertEqual(a.run("log", "--json").json[-1]["type"], "recovery-asked")
        self.assertIn("is cancelled", b.run("recovery", "cancel").note)
        self.assertNotIn("SOMEBODY", b.run("sync").note)
        told = a.run("sync", "--json").json[0]
        self.assertEqual([n["type"] for n in told["notices"]], ["recovery-cancelled"])
        self.assertEqual(told["recovery"]["state"], "cancelled")
        self.assertEqual(a.run("sync", "--json").json[0]["notices"], [])
        self.assertIn("was cancelled by", a.run("log").text)
        r = c.run("recover", passphrase=True, code=FAILED)
        self.assertIn("cancelled the recovery", r.note)
        # Another one, and the operator, who may shorten the wait: this one goes to its end.
        self.assertIn("in 72 hours", c.run(*where, "--set", of_set, input=shares, passphrase=True, code=NETWORK).note)
        s.stop()
        s.args = ("--recovery-wait", "0")
        s.start()
        self.came_back(a, c, c.run("recover", passphrase=True))

    def test_what_another_device_did_is_told_once(self):
        s, a, b, c, where, of_set, shares = self.lost()
        # Any command that spoke with the server tells what it learned, once.
        self.pages(b, "--threshold", "2", "--shares", "3")
        args = ("--threshold", "2", "--shares", "3", "--pages", tempfile.mkdtemp(dir=self.dir))
        note = a.run("recovery", "setup", *args, passphrase=True).note
        self.assertIn("the account was changed: The recovery shares were made anew (2 of 3", note)
        self.assertNotIn("made anew", a.run("sync").note)

    def test_killed_anywhere_it_goes_on(self):
        s, a, b, c, where, of_set, shares = self.lost("--recovery-wait", "0")
        killed, code = 0, None
        for ms in (60, 150, 250, 350, 450, 600, 700, 800, 900, 1000, 1200, 1500, 2000, 60000):
            p = c.start(*where, "--set", of_set, stdin=subprocess.PIPE)
            try:
                p.communicate(shares, timeout=ms / 1000)
                code = p.returncode
                break
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
                killed += 1
        self.assertGreater(killed, 1)
        self.assertIn(code, (OK, INPUT))  # INPUT: all was done, and the kill came after
        self.assertEqual([d["active"] for d in c.run("device", "list", "--json", passphrase=True).json],
                         [False, False, True])
        self.assertEqual(len(c.run("list", passphrase=True).lines), 2)


if __name__ == "__main__":
    main()
