"""A shared journal among private ones, from the command line: everything that works on entries works on those of
either."""
from harness import *


class Shared(Case):
    def setUp(self):
        super().setUp()
        self.s = self.server()
        self.ada = self.device("ada").init(self.s, "ada", "--device-name", "attic")
        self.bob = self.device("bob").init(self.s, "bob", "--device-name", "boat")
        self.ada.run("contact", "add", "bob")
        self.bob.run("contact", "add", "ada")
        self.ada.run("journal", "new", "Garden")
        self.rose = self.ada.add("rozen in bloei", "--journal", "Garden", "--date", "1660-05-01", "--tag", "flower")
        self.own = self.ada.add("for nobody else", "--date", "1660-05-02")
        self.ada.run("journal", "share", "Garden", "bob", "--role", "write", "--unverified")
        self.bob.run("invite", "accept", "Garden", "--unverified")
        self.settle()

    def settle(self):
        for d in (self.bob, self.ada, self.bob):
            self.assertTrue(d.run("sync", "--json").json[0]["synced"])

    def ids(self, device, *args):
        return [e["id"] for e in device.run("list", "--json", *args).json]

    def test_entries_of_both_are_one_diary(self):
        tulip = self.bob.add("tulpen van bob", "--journal", "Garden", "--date", "1660-05-03")
        self.settle()
        self.assertEqual(self.ids(self.ada), [self.rose, self.own, tulip])
        self.assertEqual(self.ids(self.ada, "--journal", "Garden"), [self.rose, tulip])
        self.assertEqual(self.ids(self.bob), [self.rose, tulip])
        self.assertEqual([h["id"] for h in self.ada.run("search", "--json", "tulpen").json], [tulip])
        self.assertEqual(self.ada.run("search", "--count", "journal:garden").text, "2\n")
        self.assertEqual(self.ada.text_of("last"), "tulpen van bob")
        self.ada.run("tag", "last", "red")
        self.settle()
        self.assertEqual(self.bob.run("show", "--json", tulip).json[0]["tags"], ["red"])
        self.assertIn("bob", self.ada.run("history", tulip).text)
        shared = [j for j in self.ada.run("journal", "list", "--json").json if j["shared"]]
        self.assertEqual([(j["name"], j["entries"]) for j in shared], [("Garden", 2)])
        for d in (self.ada, self.bob):
            self.assertIn("all good", d.run("verify").text)

    def test_entries_move_in_and_out(self):
        self.ada.run("mv", self.own, "Garden")
        self.settle()
        self.assertEqual(self.ids(self.bob), [self.rose, self.own])
        self.assertEqual(self.ids(self.ada), [self.rose, self.own])
        self.ada.run("mv", self.own, "Diary")
        self.settle()
        self.assertEqual(self.ids(self.bob), [self.rose])
        self.assertEqual(self.ids(self.ada), [self.rose, self.own])
        self.assertEqual(self.ada.text_of(self.own), "for nobody else")

    def test_it_is_sealed_and_locked_with_the_rest(self):
        found = b"".join(files_of(self.path("ada")).values()) + b"".join(files_of(self.path("server0")).values())
        self.assertTrue(any("shared" in name for name in files_of(self.path("ada"))))
        for word in (b"rozen", b"Garden", b"flower"):
            self.assertNotIn(word, found)
        self.ada.run("lock")
        self.assertEqual(self.ada.try_("list").code, LOCKED)


if __name__ == "__main__":
    main()
