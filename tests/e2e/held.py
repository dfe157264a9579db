#!/usr/bin/env python3
"""Recovery shares that contacts keep: three people, paper, a bare machine, and words that are read out."""
from harness import *


def words_of(page):
    page = page.split("nothing.\n\n")[-1].split("\n\n")[0]
    return " ".join(w for _, w in sorted((int(n), w) for n, w in re.findall(r"\b(\d+) ([a-z]{4,8})\b", page)
                                         if int(n) <= 33))


class Held(Case):
    def people(self, *server):
        s = self.server(*server)
        people = [self.device(n) for n in ("anna", "ben", "carl")]
        for d, n in zip(people, ("anna", "ben", "carl")):
            d.init(s, name=n)
            d.run("sync")
        anna = people[0]
        anna.add("Kept for ever")
        anna.run("sync")
        for d, n in zip(people[1:], ("ben", "carl")):
            (k,) = anna.run("contact", "add", n, "--json").json
            d.run("contact", "add", "anna")
            anna.run("contact", "verify", n, k["number"])
            d.run("contact", "verify", "anna", k["number"])
        return s, *people

    def entrusted(self, anna, ben, carl):
        """Two of three: one page, and a share each with ben and carl, who keep theirs. The set and the page's words."""
        folder = tempfile.mkdtemp(dir=self.dir)
        r = anna.run("recovery", "setup", "--threshold", "2", "--shares", "3", "--contact", "ben", "--contact", "carl",
                     "--pages", folder, passphrase=True)
        self.assertIn("2 contacts hold shares, and 2 are enough", r.note)
        files = files_of(folder)
        self.assertEqual(sorted(files), ["share-1.html", "share-1.txt"])
        page = files["share-1.txt"].decode()
        self.assertIn("edn recover --contacts", page)
        for d in (ben, carl):
            (h,) = d.run("recovery", "held", "--json").json
            self.assertEqual((h["of"], h["state"], h["verified"], h["needed"], h["shares"]),
                             ("anna", "offered", True, 2, 3))
            d.run("recovery", "keep", "anna")
            self.assertEqual(d.run("recovery", "held", "--json").json[0]["state"], "kept")
        self.assertIn(h["set"], page)
        return h["set"], words_of(page)

    def recover(self, s, device, set_, typed="", code=NETWORK):
        return device.run("recover", "--server", s.url, "--name", "anna", "--set", set_, "--contacts", "--strength",
                          "floor", "--timeout", KEEP, input=typed.encode(), passphrase=True, code=code)

    def test_a_page_and_a_contact_bring_it_back(self):
        s, anna, ben, carl = self.people("--recovery-wait", "0")
        set_, page = self.entrusted(anna, ben, carl)
        r = anna.run("recovery", "drill", input=page.encode() + b"\n")
        self.assertIn("ben keeps it", r.text)
        self.assertIn("carl keeps it", r.text)
        self.assertIn("1 of the 2 shares that are needed, and contacts keep 2", r.text)
        self.assertTrue(ben.run("recovery", "held", "--json").json[0]["asked"])
        ben.run("recovery", "keep", "anna")
        self.assertFalse(ben.run("recovery", "held", "--json").json[0]["asked"])
        self.assertIn("nobody asks", ben.run("recovery", "give", "anna", input=b"x\n", code=NOT_FOUND).note)
        new = self.device("new")
        new.passphrase = "everything is new"
        r = self.recover(s, new, set_)
        self.assertIn("0 of the 2 shares", r.note)
        words = r.lines[0]
        self.assertEqual(len(words.split()), 8)
        self.assertIn("SOMEBODY RECOVERS THIS ACCOUNT", anna.run("sync").note)  # before anybody was asked
        wrong = " ".join(reversed(words.split()))
        r = ben.run("recovery", "give", "anna", input=wrong.encode() + b"\n", code=NOT_AUTHENTIC)
        self.assertIn("SPEAK WITH anna YOURSELF", r.note)
        self.assertIn("nothing was given", r.note)
        r = new.run("recover", input=page.encode() + b"\n", passphrase=True, code=NETWORK)
        self.assertEqual(r.lines[0], words)  # whenever it is run, it is the same machine
        self.assertIn("1 of the 2 shares", r.note)
        short = " ".join(w[:4] for w in words.upper().split())
        self.assertIn("the share is given", ben.run("recovery", "give", "anna", input=short.encode() + b"\n").note)
        r = new.run("recover", passphrase=True)
        self.assertIn("A contact gave share", r.note)
        self.assertIn("Account key", r.text)
        self.assertEqual(new.text_of(new.run("list", "--json", passphrase=True).json[0]["id"]), "Kept for ever")
        self.assertEqual([d["active"] for d in new.run("device", "list", "--json").json], [False, True])

    def test_changed_contacts_are_a_new_set(self):
        s, anna, ben, carl = self.people()
        old, page = self.entrusted(anna, ben, carl)
        self.assertIn("you keep a recovery share", ben.run("contact", "remove", "anna", code=NOT_AUTHENTIC).note)
        args = ("--threshold", "2", "--shares", "3", "--pages", tempfile.mkdtemp(dir=self.dir))
        anna.run("recovery", "setup", *args, "--contact", "nobody", passphrase=True, code=NOT_FOUND)
        anna.run("recovery", "setup", *args, "--contact", "ben", "--contact", "ben", passphrase=True, code=INPUT)
        self.assertIn(old, anna.run("recovery", "status").text)  # nothing of it changed anything
        anna.run("recovery", "setup", *args, "--contact", "carl", passphrase=True)
        self.assertEqual(ben.run("recovery", "held", "--json").json[0]["state"], "old")
        self.assertIn("throws it away", ben.run("recovery", "held").text)
        ben.run("recovery", "refuse", "anna")
        self.assertEqual(ben.run("recovery", "held").text, "")
        ben.run("contact", "remove", "anna")
        self.assertIn("carl has not answered", anna.run("recovery", "status").text)
        carl.run("recovery", "refuse", "anna")
        anna.run("recovery", "drill", input=page.encode() + b"\n", code=FAILED)
        self.assertIn("carl does not keep it", anna.run("recovery", "status").text)

    def test_a_cancelled_recovery_gets_no_share(self):
        s, anna, ben, carl = self.people()
        set_, page = self.entrusted(anna, ben, carl)
        new = self.device("new")
        new.passphrase = "everything is new"
        words = self.recover(s, new, set_, page + "\n").lines[0].encode() + b"\n"
        ben.run("recovery", "give", "anna", input=words)
        self.assertIn("in 72 hours", new.run("recover", passphrase=True, code=NETWORK).note)
        anna.run("recovery", "cancel")
        self.assertIn("cancelled the recovery", carl.run("recovery", "give", "anna", input=words, code=NOT_FOUND).note)
        self.assertIn("cancelled the recovery", new.run("recover", passphrase=True, code=FAILED).note)


if __name__ == "__main__":
    main()
