#!/usr/bin/env python3
"""A device was stolen: one command, every step of it noted, and what the thief can have."""
from harness import *


class Emergency(Case):
    def stolen(self):
        """The owner's device, the stolen one, a guest that the stolen one let in, and a device of the owner's."""
        s = self.server()
        a = self.device("a").init(s)
        a.add("Before it was stolen")
        a.run("sync")
        b, d = self.device("b"), self.device("d")
        for x in (b, d):
            x.login(s, a.account_key, "ada", "--device-name", "phone" if x is b else "laptop")
            x.run("sync")
        b.add("Of the phone")
        b.run("sync")
        return s, a, b, d

    def active(self, device):
        return {x["name"]: x["active"] for x in device.run("device", "list", "--json").json}

    def test_one_command_does_all(self):
        s, a, b, d = self.stolen()
        pages = self.path("pages")
        a.run("recovery", "setup", "--threshold", "2", "--shares", "3", "--pages", self.path("old"), passphrase=True)
        fresh = "a passphrase that nobody saw"
        r = a.run("emergency", "--device", "phone", "--yes", "--new-passphrase-fd", "SECRET_FD", "--strength", "floor",
                  "--pages", pages, secret_lines=(fresh,))
        a.passphrase = fresh
        self.assertIn("is revoked", r.note)
        self.assertIn("The passphrase is changed", r.note)
        self.assertEqual(len(files_of(pages)), 6)
        self.assertIn("2 entries in 1 journal", r.text)
        self.assertIn("number 1 and later; the stolen device had those up to 0", r.text)
        self.assertRegex(r.text, r"It has sent \d+ batch(es)? itself, what it wrote last at")
        self.assertNotIn("recovery setup", r.text)
        self.assertEqual(self.active(a)["phone"], False)
        self.assertEqual(self.active(a)["laptop"], True)
        b.run("sync", code=(NOT_AUTHENTIC, NETWORK, LOCKED))
        self.assertIn("They open the present keys", a.run("recovery", "status").text)
        self.assertIn("revoked", d.run("sync").note)
        a.add("The thief will never know")
        a.run("sync")
        d.run("sync")
        self.assertEqual(len(d.run("list").lines), 3)
        self.assertEqual(len(b.run("list").lines), 2)
        # All is done: another one is another.
        a.run("emergency", "--device", "phone", "--yes", passphrase=True, code=NOT_FOUND)
        a.run("emergency", "--yes", passphrase=True, code=USAGE)
        a.run("emergency", "--device", "laptop", "--yes", passphrase="not it", code=LOCKED)

    def test_it_asks_and_no_means_no(self):
        s, a, b, d = self.stolen()
        r = a.run("emergency", input=b"phone\nn\n", passphrase=True, code=FAILED)
        self.assertIn("laptop", r.text)
        self.assertIn("nothing was done", r.note)
        self.assertEqual(self.active(a)["phone"], True)
        r = a.run("emergency", input=b"phone\ny\nn\n", passphrase=True)
        self.assertEqual(self.active(a)["phone"], False)
        self.assertIn("there are no recovery shares yet", r.text)

    def test_stopped_anywhere_it_goes_on(self):
        s, a, b, d = self.stolen()
        old = self.path("old")
        a.run("recovery", "setup", "--threshold", "2", "--shares", "3", "--pages", old, passphrase=True)
        # The third question gets no answer: the device is revoked, and the rest is not done.
        r = a.run("emergency", "--device", "phone", input=b"y\n", passphrase=True, code=FAILED)
        self.assertEqual(self.active(a)["phone"], False)
        # A folder that has pages already stops it at the shares.
        r = a.run("emergency", "--yes", "--pages", old, passphrase=True, code=STORAGE)
        self.assertIn("goes on", r.note)
        self.assertIn("again goes on; the device is revoked", r.note)
        a.run("emergency", "--device", "laptop", "--yes", passphrase=True, code=INPUT)  # one at a time
        r = a.run("emergency", "--yes", "--pages", self.path("new"), passphrase=True)
        self.assertIn("number 1 and later", r.text)
        self.assertIn("They open the present keys", a.run("recovery", "status").text)
        self.assertEqual(self.active(a)["laptop"], True)

    def test_killed_anywhere_it_goes_on(self):
        s, a, b, d = self.stolen()
        killed = 0
        for ms in (50, 150, 250, 350, 450, 600, 800, 1000, 1500, 60000):
            p = a.start("emergency", "--device", "phone", "--yes")
            try:
                out, _ = p.communicate(timeout=ms / 1000)
                break
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
                killed += 1
        self.assertGreater(killed, 0)
        self.assertIn(p.returncode, (OK, NOT_FOUND))  # not found: all was done, and the kill came after
        self.assertEqual(self.active(a), {"phone": False, "laptop": True, **{k: True for k in self.active(a)
                                                                             if k not in ("phone", "laptop")}})
        self.assertEqual([c["type"] for c in a.run("log", "--json").json].count("revoke"), 1)

    def test_whom_it_let_in_goes_too(self):
        s, a, b, d = self.stolen()
        g = self.device("g")
        g.passphrase = "a lock for this one"
        p = g.start("device", "link", "--server", s.url, "--strength", "floor", "--timeout", KEEP, "--device-name",
                    "guest", stdin=subprocess.PIPE)
        self.addCleanup(lambda: [f.close() for f in (p.stdout, p.stderr)])
        code = p.stdout.readline().decode().strip()
        q = b.start("device", "approve", code, stdin=subprocess.PIPE)
        self.addCleanup(lambda: [f.close() for f in (q.stdout, q.stderr)])
        for x in (q, p):
            x.stdin.write(b"y\n")
            x.stdin.close()
        self.assertEqual((q.wait(60), p.wait(60)), (0, 0))
        for x in (g, b):
            x.run("sync", passphrase=True)
        r = a.run("emergency", "--device", "phone", "--yes", passphrase=True)
        self.assertEqual(r.note.count("is revoked"), 2)
        active = self.active(a)
        self.assertEqual((active["phone"], active["guest"], active["laptop"]), (False, False, True))
        self.assertIn("number 1 and later", r.text)  # in one link, for both


if __name__ == "__main__":
    main()
