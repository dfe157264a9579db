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



class NewDevice(Case):
    def check_published(self, s, a):
        """What the server lost is named, and made anew."""
        r = a.run("verify", "--published", "--json").json[0]
        self.assertGreater(r["parts"], 1)
        self.assertEqual(r["damaged"], 0)
        lost = next(name for name in files_of(s.data) if name.startswith("blobs/"))
        os.remove(os.path.join(s.data, lost))
        r = a.run("verify", "--published", code=NOT_AUTHENTIC)
        self.assertIn("is not at the server", r.note)
        a.run("sync")
        self.assertIn("all good", a.run("verify", "--published").text)

    def test_it_searches_before_the_diary_is_there(self):
        s, a, b, c = self.server(), self.device(), self.device("b"), self.device("c")
        a.init(s)
        rows = [{"date": f"{1660 + i // 30}-{1 + i % 12:02}-{1 + i % 28:02}", "title": f"Day {i}", "tags": ["navy"],
                 "text": f"Up betimes, and to the office, where the marker{i} was, and the zanzibar ship."}
                for i in range(300)]
        write_file(self.path("in.jsonl"), jsonl(*rows))
        a.run("import", self.path("in.jsonl"))
        a.run("sync")
        self.check_published(s, a)
        b.login(s, a.account_key, "ada", "--device-name", "boat")
        r = b.run("search", "--json", "marker77")
        self.assertEqual([(h["arriving"], h["date"]) for h in r.json], [(True, rows[77]["date"])])
        self.assertIn("still arriving: 0 of 300 entries", r.note)
        self.assertIn("journals shared with you come after it", r.note)
        entry = r.json[0]["id"]
        self.assertEqual(b.run("search", "--count", "tag:navy").text, "300\n")
        self.assertIn("marker77", b.run("show", entry[:10]).text)
        hit = b.run("search", "--json", "marker77").json[0]
        self.assertEqual((hit["arriving"], hit["title"]), (False, "Day 77"))
        b.run("sync")
        r = b.run("search", "--json", "marker77")
        self.assertEqual(r.json[0]["id"], entry)
        self.assertNotIn("arriving:", r.note)
        self.assertSame(a, b)
        self.assertEqual(b.run("verify", "--json").json[0]["damaged"], 0)
        c.login(s, a.account_key, "ada", "--device-name", "raft", "--quiet-search")
        self.assertEqual(c.run("search", "--count", "zanzibar").text, "300\n")
        s.stop()
        for word in (b"zanzibar", b"marker", b"betimes", b"navy"):
            self.assertEqual([name for name, data in files_of(s.data).items() if word in data.lower()], [])


if __name__ == "__main__":
    main()
