"""Two people, each with devices of their own, and a journal between them."""
from harness import *


class Sharing(Case):
    def people(self):
        server = self.server()
        anna, berta = self.device("anna"), self.device("berta")
        anna.init(server, name="anna")
        berta.init(server, name="berta")
        for d in (anna, berta):
            d.run("sync")
        return server, anna, berta

    def meet(self, anna, berta):
        (k,) = anna.run("contact", "add", "berta", "--json").json
        self.assertFalse(k["verified"])
        (there,) = berta.run("contact", "add", "Anna", "--as", "anna", "--json").json
        self.assertEqual(k["number"], there["number"])
        self.assertEqual(len(k["number"]), 60)
        anna.run("contact", "verify", "berta", there["number"])
        berta.run("contact", "verify", "anna", " ".join(k["number"][i:i + 5] for i in range(0, 60, 5)))

    def share_trip(self, anna, berta, role="write"):
        self.meet(anna, berta)
        anna.run("journal", "new", "Trip")
        e = anna.add("We went to Gravesend.", "--journal", "Trip")
        anna.run("journal", "share", "Trip", "berta", "--role", role)
        (i,) = berta.run("invite", "list", "--json").json
        self.assertEqual((i["journal"], i["role"], i["from"], i["verified"]), ("Trip", role, "anna", True))
        berta.run("invite", "accept", "Trip")
        berta.run("sync")
        return e

    def test_both_write_in_one_journal(self):
        _, anna, berta = self.people()
        e = self.share_trip(anna, berta)
        anna.add("A thought of my own.")
        self.assertEqual(berta.text_of(e), "We went to Gravesend.")
        berta.run("edit", e, input=b"We went to Gravesend, and dined there.\n")
        second = berta.add("And back by boat.", "--journal", "Trip")
        berta.run("sync")
        anna.run("sync")
        self.assertEqual(anna.text_of(e), "We went to Gravesend, and dined there.")
        self.assertEqual(anna.text_of(second), "And back by boat.")
        self.assertEqual(len(berta.run("list").lines), 2)
        self.assertEqual(len(anna.run("list").lines), 3)
        self.assertIn("And back by", anna.run("search", "boat").text)
        names = {v["device_name"] for v in anna.run("history", e, "--json").json}
        self.assertEqual(names, {"anna", "berta"})
        members = {m["name"]: m for m in anna.run("journal", "members", "Trip", "--json").json}
        self.assertEqual({(n, m["role"], m["self"], m["accepted"]) for n, m in members.items()},
                         {("anna", "owner", True, True), ("berta", "write", False, True)})
        for d in (anna, berta):
            d.run("verify")

    def test_every_device_of_a_person_comes_in_by_itself(self):
        server, anna, berta = self.people()
        e = self.share_trip(anna, berta)
        tablet = self.device("tablet")
        tablet.login(server, berta.account_key, name="berta")
        tablet.run("sync")
        self.assertEqual(tablet.text_of(e), "We went to Gravesend.")
        mine = tablet.add("By another hand.", "--journal", "Trip")
        tablet.run("sync")
        anna.run("sync")
        self.assertEqual(anna.text_of(mine), "By another hand.")

    def test_nobody_whose_number_was_not_compared_is_let_in(self):
        _, anna, berta = self.people()
        anna.run("contact", "add", "berta")
        anna.run("journal", "new", "Trip")
        r = anna.run("journal", "share", "Trip", "berta", "--role", "read", code=NOT_AUTHENTIC)
        self.assertIn("not verified", r.note)
        self.assertIn("not the number", anna.run("contact", "verify", "berta", "1" * 60, code=INPUT).note)
        self.assertFalse(anna.run("contact", "list", "--json").json[0]["verified"])
        self.assertEqual(berta.run("invite", "list").text, "")
        anna.run("contact", "add", "nobody", code=NOT_FOUND)
        anna.run("contact", "add", "anna", code=INPUT)

    def test_a_card_works_as_a_name_does(self):
        _, anna, berta = self.people()
        card = anna.run("contact", "card").text.strip()
        berta.run("contact", "add", card, code=INPUT)
        (k,) = berta.run("contact", "add", card, "--as", "a friend", "--json").json
        self.assertEqual(k["name"], "a friend")
        wrong = card[:-1] + ("0" if card[-1] != "0" else "1")
        self.assertIn("typing error", berta.run("contact", "add", wrong, "--as", "x", code=INPUT).note)

    def test_a_reader_writes_nothing(self):
        _, anna, berta = self.people()
        e = self.share_trip(anna, berta, role="read")
        self.assertEqual(berta.text_of(e), "We went to Gravesend.")
        berta.try_("add", "mine", "--journal", "Trip")
        self.assertEqual(len(berta.run("list").lines), 1)
        self.assertNotEqual(berta.try_("edit", e, input=b"mine").code, OK)

    def test_who_is_taken_out_reads_nothing_more(self):
        _, anna, berta = self.people()
        e = self.share_trip(anna, berta)
        anna.run("journal", "unshare", "Trip", "berta")
        later = anna.add("Not for berta.", "--journal", "Trip")
        anna.run("sync")
        berta.try_("sync")
        self.assertEqual(berta.text_of(e), "We went to Gravesend.")
        berta.run("show", later, code=NOT_FOUND)
        self.assertEqual(len(anna.run("journal", "members", "Trip", "--json").json), 1)
        self.assertNotEqual(anna.try_("journal", "unshare", "Trip", "anna").code, OK)

    def test_a_member_leaves(self):
        _, anna, berta = self.people()
        e = self.share_trip(anna, berta)
        berta.run("journal", "unshare", "Trip", "berta")
        berta.run("show", e, code=NOT_FOUND)
        self.assertEqual([j["name"] for j in berta.run("journal", "list", "--json").json], ["Diary"])
        self.assertEqual(anna.text_of(e), "We went to Gravesend.")

    def test_sharing_that_is_killed_is_finished_by_the_same_command(self):
        _, anna, berta = self.people()
        self.meet(anna, berta)
        anna.run("journal", "new", "Trip")
        texts = {f"Day {i}." for i in range(12)}
        for t in sorted(texts):
            anna.add(t, "--journal", "Trip")
        for wait in (0.02, 0.06, 0.12, 0.2, 0.35):
            p = anna.start("journal", "share", "Trip", "berta", "--role", "write")
            time.sleep(wait)
            p.kill()
            p.communicate()
        r = anna.try_("journal", "share", "Trip", "berta", "--role", "write")
        self.assertIn(r.code, (OK, INPUT), r.note)  # INPUT: an earlier one got to its end
        anna.run("sync")
        self.assertEqual({e["preview"].strip() for e in anna.run("list", "--json").json}, texts)
        self.assertEqual(len(anna.run("list", "--json").json), len(texts))
        self.assertEqual(sum(j["name"] == "Trip" for j in anna.run("journal", "list", "--json").json), 1)
        for wait in (0.02, 0.08, 0.2):
            p = berta.start("invite", "accept", "Trip")
            time.sleep(wait)
            p.kill()
            p.communicate()
        berta.try_("invite", "accept", "Trip")
        berta.run("sync")
        self.assertEqual({e["preview"].strip() for e in berta.run("list", "--json").json}, texts)

    def test_a_stolen_device_is_out_of_the_shared_journal(self):
        server, anna, berta = self.people()
        self.share_trip(anna, berta)
        stolen = self.device("stolen")
        stolen.login(server, berta.account_key, "berta", "--device-name", "stolen")
        stolen.run("sync")
        berta.run("sync")
        berta.run("device", "revoke", "stolen", passphrase=PASSPHRASE)
        berta.run("sync")
        anna.run("sync")
        later = anna.add("After the theft.", "--journal", "Trip")
        anna.run("sync")
        berta.run("sync")
        self.assertEqual(berta.text_of(later), "After the theft.")
        stolen.try_("sync")
        stolen.run("show", later, code=NOT_FOUND)
        mine = berta.add("Berta goes on.", "--journal", "Trip")
        berta.run("sync")
        anna.run("sync")
        self.assertEqual(anna.text_of(mine), "Berta goes on.")


if __name__ == "__main__":
    main()
