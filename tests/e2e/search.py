"""Search from the command line: what is printed where, hits marked on a terminal, and searching while typing."""
from harness import *


class Search(Case):
    def setUp(self):
        super().setUp()
        self.a = self.device().init()
        self.sea = self.a.add("We went to the sea with my wife's cousin.", "--date", "1660-03-02",
                              "--title", "A day out", "--tag", "Travel")
        self.home = self.a.add("At home all day; the wind blew from the sea.", "--date", "1661-03-02")
        self.a.add("日記を書く。狂人日記を読む。", "--date", "1662-01-01")

    def found(self, *args):
        return [hit["id"] for hit in self.a.run("search", "--json", *args).json]

    def test_queries(self):
        self.assertEqual(set(self.found("SEA")), {self.sea, self.home})
        self.assertEqual(self.found("--by-date", "sea"), [self.home, self.sea])
        self.assertEqual(self.found("sea", "NOT", "wind"), [self.sea])
        self.assertEqual(self.found("--", "sea", "-wind"), [self.sea])
        self.assertEqual(self.found('"to the sea"'), [self.sea])
        self.assertEqual(self.found("tag:travel"), [self.sea])
        self.assertEqual(self.found("title:day", "from:1660"), [self.sea])
        self.assertEqual(self.found("wife"), [self.sea])
        self.assertEqual(self.found("--limit", "1", "--from", "1661", "sea"), [self.home])
        self.assertEqual(len(self.found("狂人日記")), 1)
        self.assertEqual(self.a.run("search", "--count", "sea").text, "2\n")
        self.assertEqual(self.a.run("search", "--count", "nothing").text, "0\n")

    def test_what_is_printed(self):
        hit = self.a.run("search", "--json", "cousin").json[0]
        snippet = hit["snippet"].encode()
        self.assertEqual([snippet[at:at + size] for at, size in hit["marks"]], [b"cousin"])
        fields = self.a.run("search", "cousin").text.rstrip("\n").split("\t")
        self.assertEqual(fields[1:4], ["1660-03-02", "A day out", "#Travel"])
        self.assertIn("cousin", fields[4])

    def test_what_is_wrong_is_named_with_its_place(self):
        r = self.a.run("search", "sea (wind", code=INPUT)
        self.assertIn("character 5", r.note)
        r = self.a.run("search", "on:2024-13", code=INPUT)
        self.assertIn("not a date", r.note)
        self.a.run("search", code=USAGE)
        self.a.run("search", "--interactive", "sea", code=USAGE)
        r = self.a.run("search", "journal:nowhere", code=NOT_FOUND)
        self.assertIn('no journal "nowhere"', r.note)

    def test_a_typing_error_is_forgiven_and_said(self):
        r = self.a.run("search", "cuosin")
        self.assertIn("cousin for cuosin", r.note)
        self.assertEqual(len(r.lines), 1)

    def test_its_companions(self):
        self.assertEqual([e["id"] for e in self.a.run("similar", self.sea[:8], "--json").json], [self.home])
        days = [e["id"] for e in self.a.run("onthisday", "2024-03-02", "--json").json]
        self.assertEqual(days, [self.home, self.sea])
        lines = self.a.run("stats", "--json").json
        self.assertEqual([line["entries"] for line in lines if "month" in line], [1, 1, 1])
        self.assertEqual([line for line in lines if "tag" in line], [{"tag": "travel", "entries": 1}])
        self.assertEqual([line["month"] for line in self.a.run("stats", "--json", "sea").json], ["1660-03", "1661-03"])
        self.a.run("reindex")
        self.assertEqual(self.a.run("verify", "--json").json[0]["damaged"], 0)

    @unittest.skipUnless(HAS_KEYRING, "the passphrase would be asked for in between")
    def test_hits_are_marked_on_a_terminal(self):
        code, shown = self.terminal(self.a, "search", "cousin").end()
        self.assertEqual(code, OK)
        self.assertIn(b"\x1b[1mcousin\x1b[0m", shown)

    @unittest.skipUnless(HAS_KEYRING, "the passphrase would be asked for in between")
    def test_searching_while_typing(self):
        t = self.terminal(self.a, "search", "-i")
        t.expect("Type what to look for")
        t.send("wi")  # wife, wind
        t.expect("2 entries")
        t.send("n")
        t.expect("1 entry")
        t.send("\x7f\x7fi")  # nothing is malformed on the way
        t.expect("2 entries")
        t.send(" (")
        t.expect("2 entries")
        t.send("\x15cous\r")
        code, shown = t.end()
        self.assertEqual(code, OK)
        self.assertIn(b"\x1b[?1049l", shown)
        self.assertIn(b"my wife's cousin", shown.split(b"\x1b[?1049l")[1])
        t = self.terminal(self.a, "search", "-i", "sea")
        t.expect("2 entries")
        t.send("\x1b")
        self.assertEqual(t.end()[0], OK)


if __name__ == "__main__":
    main()
