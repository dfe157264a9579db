"""Bringing entries in and taking them out."""
import hashlib

from harness import *

BIG = 100 * 1000 * 1000


class Import(Case):
    def setUp(self):
        super().setUp()
        self.a = self.device().init()

    def entries(self, device=None):
        return [json.loads(line) for line in self.exported(device or self.a)["diary.jsonl"].splitlines()]

    def test_a_broken_line_is_named_and_nothing_is_brought_in(self):
        good = {"date": "2024-05-01", "text": "good"}
        for bad, says in ((b"{not json\n", "not JSON"), (b'{"date":"2024-05-01"}\n', '"text" is missing'),
                          (b'{"date":"2024-02-30","text":"x"}\n', "not a day"),
                          (b'{"date":"2024-05-01","text":"\xff"}\n', "not UTF-8 at byte"),
                          (b'{"date":"2024-05-01","text":"x","mood":7}\n', '"mood" is a number'),
                          (jsonl({"date": "2024-05-01", "text": "x", "f" * 300: "y"}), "a field's name"),
                          (jsonl({"date": "2024-05-01", "text": "x", "tags": ["t" * 70000]}), "tag")):
            path = write_file(self.path("x.jsonl"),
                              jsonl(good, dict(good, journal="Made on the way")) + bad + jsonl(good))
            r = self.a.run("import", path, code=INPUT)
            self.assertIn("x.jsonl, line 3: ", r.note)
            self.assertIn(says, r.note)
            self.assertIn("nothing was imported", r.note)
            self.assertEqual(self.a.run("list").text, "")
            self.assertEqual(len(self.a.run("journal", "list").lines), 1)
            r = self.a.run("import", "--skip-bad", "--json", path)
            self.assertEqual(r.json[0], {"added": 3, "known": 0, "skipped": 1})
            self.assertIn("line 3: ", r.note)
            self.assertIn("left out", r.note)
            self.a = self.device(f"d{len(os.listdir(self.dir))}").init()

    def test_members_and_journals(self):
        lines = jsonl({"date": "2024-05-01", "text": "a", "title": "T", "tags": ["x", "y"], "fields": {"mood": "calm"},
                       "weather": "rain", "journal": "Work", "created": "2001-02-03T04:05:06.007Z",
                       "id": "00112233445566778899aabbccddeeff"},
                      {"date": "2024-05-02", "text": "b"}, {"date": "2024-05-03", "text": "c", "journal": "Work"})
        self.a.run("journal", "new", "Other")
        r = self.a.run("import", "-", "--journal", "Other", "--json", input=lines)
        self.assertEqual(r.json[0]["added"], 3)
        first, second, third = self.entries()
        self.assertEqual(first, {"created": "2001-02-03T04:05:06.007Z", "date": "2024-05-01",
                                 "fields": {"mood": "calm", "weather": "rain"},
                                 "id": "00112233445566778899aabbccddeeff", "journal": "Work", "tags": ["x", "y"],
                                 "text": "a", "title": "T"})
        self.assertEqual((second["journal"], third["journal"]), ("Other", "Work"))
        journals = self.a.run("journal", "list", "--json").json
        self.assertEqual(sorted(j["name"] for j in journals), ["Diary", "Other", "Work"])

    def test_packed_and_from_a_pipe(self):
        lines = jsonl(*({"date": f"2024-05-{d:02}", "text": f"day {d}"} for d in range(1, 31)))
        packed = subprocess.run(["zstd", "-c"], input=lines, stdout=subprocess.PIPE, check=True).stdout
        path = write_file(self.path("x.jsonl.zst"), packed)
        self.assertIn("imported 30 entries", self.a.run("import", path).text)
        self.assertIn("imported 30 entries", self.a.run("import", "-", input=packed).text)
        self.assertIn("imported 60 entries", self.a.run("import", path, path).text)
        r = self.a.run("import", write_file(self.path("cut.zst"), packed[:-10]), code=INPUT)
        self.assertIn("cut.zst", r.note)
        self.assertEqual(len(self.a.run("list").lines), 120)

    def test_an_export_can_be_brought_in_again_and_again(self):
        texts = ["x", "x\n", "\nx", "---\na: b\n---\n", "# not a title", "\0\x1b\x7f\u0085", "日記 😀", "a\r\nb\r"]
        for i, t in enumerate(texts):
            self.a.run("write", "--title", f"Titel “{i}” \\ \"", "--tag", "a b", "--field", "mood=\"[{", "--date",
                       f"2024-05-{i + 1:02}", input=t.encode() + b"\n")
        for args in (), ("--format", "markdown"):
            folder = self.path("export" + "".join(args))
            self.a.run("export", *args, folder)
            self.assertEqual(self.a.run("import", folder, "--json").json[0], {"added": 0, "known": 8, "skipped": 0})
            b = self.device("b" + "".join(args)).init()
            self.assertEqual(b.run("import", folder, "--json").json[0], {"added": 8, "known": 0, "skipped": 0})
            self.assertSame(self.a, b)
            self.assertEqual(sorted(e["text"] for e in self.entries(b)), sorted(texts))

    def test_plain_markdown_files(self):
        os.makedirs(self.path("notes", "2024"))
        write_file(self.path("notes", "2024", "2024-05-01 rain.md"), "# Rain\n\nAll day.\n")
        write_file(self.path("notes", "2024-05-02.md"), "Sun.\n")
        write_file(self.path("notes", "not this.txt"), "x")
        self.a.run("import", self.path("notes"))
        self.assertEqual([(e["date"], e["title"], e["text"]) for e in self.entries()],
                         [("2024-05-01", "Rain", "All day."), ("2024-05-02", "", "Sun.")])
        write_file(self.path("notes", "no date.md"), "x")
        r = self.a.run("import", self.path("notes"), code=INPUT)
        self.assertIn("no date.md", r.note)
        self.assertIn('"date" is missing', r.note)
        self.assertEqual(len(self.entries()), 2)
        self.a.run("import", self.path("none"), code=NOT_FOUND)
        os.mkdir(self.path("empty"))
        self.a.run("import", self.path("empty"), code=NOT_FOUND)

    def test_interrupted_it_imports_nothing(self):
        r, w = os.pipe()
        p = subprocess.Popen(self.a.argv(["import", "-", "--passphrase-fd", str(r)]), env=self.a.env,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=(r,))
        os.write(w, PASSPHRASE.encode() + b"\n")
        os.close(w)
        os.close(r)
        p.stdin.write(jsonl(*({"date": "2024-05-01", "text": f"{i} " * 2000} for i in range(200))))
        p.stdin.flush()
        time.sleep(1)  # now it waits for more
        p.send_signal(signal.SIGINT)
        p.wait(30)
        out, err = p.communicate()
        self.assertEqual(p.returncode, -signal.SIGINT, err)
        self.assertIn(b"edn: stopped", err)
        self.assertEqual(self.a.run("list").text, "")

    def test_an_entry_of_100_megabytes(self):
        s = self.server()
        a = self.device("big").init(s)
        line = ("All work and no play makes a diary long. " * 3 + "日記\n")
        text = (line * (BIG // len(line.encode()) + 1)).encode()[:BIG].decode(errors="ignore")
        e = json.loads(a.run("write", "--json", "--title", "Big", input=text.encode() + b"\n").text)["id"]
        digest = hashlib.sha256(a.run("show", e, "--text").out[:-1]).digest()
        self.assertEqual(digest, hashlib.sha256(text.encode()).digest())
        self.assertEqual(a.run("list", "--json").json[0]["size"], len(text.encode()))
        a.run("sync")
        b = self.device("big2")
        b.login(s, a.account_key)
        b.run("sync")
        exported = self.exported(b)["diary.jsonl"]
        self.assertEqual(hashlib.sha256(exported).digest(), hashlib.sha256(self.exported(a)["diary.jsonl"]).digest())
        c = self.device("big3").init()
        c.run("import", "-", input=exported)
        self.assertEqual(self.exported(c)["diary.jsonl"], exported)
        b.run("edit", e, input=b"short again")
        b.run("sync")
        a.run("sync")
        self.assertEqual(a.text_of(e), "short again")


class Export(Case):
    def test_it_is_the_same_every_time(self):
        a = self.device().init()
        for i in range(20):
            a.add(f"entry {i}", "--date", f"2024-05-{i % 5 + 1:02}", "--tag", f"t{i}")
        self.assertSame(a, a)
        lines = self.exported(a)["diary.jsonl"].splitlines()
        keys = [(json.loads(x)["date"], json.loads(x)["id"]) for x in lines]
        self.assertEqual(keys, sorted(keys))
        for x in lines:
            self.assertEqual(list(json.loads(x)), sorted(json.loads(x)))

    def test_filters(self):
        a = self.device().init()
        for d in ("2023-12-31", "2024-01-01", "2024-06-30", "2025-01-01"):
            a.add(d, "--date", d)
        a.run("rm", "2024-06-30")
        found = self.exported(a, "--from", "2024", "--to", "2024")["diary.jsonl"]
        self.assertEqual([json.loads(x)["date"] for x in found.splitlines()], ["2024-01-01"])

    def test_a_folder_of_others_is_refused_and_an_earlier_export_renewed(self):
        a = self.device().init()
        e = a.add("one", "--date", "2024-05-01")
        os.mkdir(self.path("mine"))
        write_file(self.path("mine", "letter"), "dear")
        r = a.run("export", self.path("mine"), code=INPUT)
        self.assertIn("--force", r.note)
        self.assertEqual(os.listdir(self.path("mine")), ["letter"])
        a.run("export", "--format", "markdown", self.path("md"))
        a.add("two", "--date", "2025-05-01")
        a.run("rm", e)
        a.run("export", "--format", "markdown", self.path("md"))
        self.assertEqual(sorted(os.listdir(self.path("md"))), [".edn-export", "2025"])
        a.run("export", self.path("md"), code=INPUT)
        a.run("export", self.path("no", "such", "folder"), code=NOT_FOUND)

    def test_a_full_disk_leaves_the_earlier_export(self):
        a = self.device().init()
        a.add("short")
        with small_disk(self.path("disk")) as disk:
            to = os.path.join(disk, "export")
            a.run("export", to)
            before = files_of(to)
            a.run("write", input=b"x" * 3_000_000)
            r = a.run("export", to, code=STORAGE)
            self.assertIn("No space left", r.note)
            self.assertEqual(files_of(to), before)

    def test_it_is_readable_by_its_owner_alone(self):
        a = self.device().init()
        a.add("secret")
        a.run("export", self.path("e"))
        self.assertEqual(os.stat(self.path("e")).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(self.path("e", "diary.jsonl")).st_mode & 0o777, 0o600)


if __name__ == "__main__":
    main()
