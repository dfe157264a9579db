"""One person's diary on two devices, through a server that can read nothing."""
import concurrent.futures
import shutil
import signal

from harness import *


class Spine(Case):
    def test_two_devices_hold_the_same_diary(self):
        _, a, b = self.two_devices()
        a.add("Rain all day.", "--title", "Sunday", "--tag", "rain", "--field", "mood=calm", "--date", "2024-05-05")
        r = a.run("sync")
        self.assertIn("the server holds everything (receipt ", r.text)
        r = b.run("sync")
        self.assertIn("1 entry changed", r.text)
        (e,) = b.run("show", "2024-05-05", "--json").json
        self.assertEqual((e["text"], e["title"], e["tags"], e["fields"], e["journal"]),
                         ("Rain all day.", "Sunday", ["rain"], {"mood": "calm"}, "Diary"))
        self.assertSame(a, b)

    def test_edits_made_offline_on_both_merge(self):
        _, a, b = self.two_devices()
        e = a.add("The cat sat on the mat.")
        a.run("sync")
        b.run("sync")
        a.run("edit", e, input=b"The black cat sat on the mat.\n")
        b.run("edit", e, input=b"The cat sat on the red mat, purring.\n")
        a.run("tag", e, "cats")
        b.run("tag", e, "mats")
        for d in (a, b, a):
            d.run("sync")
        self.assertEqual(a.text_of(e), "The black cat sat on the red mat, purring.")
        self.assertEqual(a.run("show", e, "--json").json[0]["tags"], ["cats", "mats"])
        self.assertSame(a, b)

    def test_an_edit_wins_over_a_deletion_and_is_marked(self):
        _, a, b = self.two_devices()
        e = a.add("Keep me")
        a.run("sync")
        b.run("sync")
        a.run("rm", e)
        b.run("edit", e, input=b"Keep me, please")
        for d in (a, b, a):
            d.run("sync")
        self.assertEqual(a.text_of(e), "Keep me, please")
        for d in (a, b):
            self.assertTrue(d.run("list", "--json").json[0]["conflict"])
        self.assertSame(a, b)

    def test_deleted_entries_come_back(self):
        _, a, b = self.two_devices()
        e = a.add("Out and in")
        a.run("rm", e)
        self.assertEqual(a.run("list").text, "")
        self.assertTrue(a.run("list", "--deleted", "--json").json[0]["deleted"])
        a.run("sync")
        b.run("sync")
        self.assertEqual(b.run("list").text, "")
        b.run("undelete", e)
        b.run("sync")
        a.run("sync")
        self.assertEqual(a.text_of(e), "Out and in")

    def test_a_corpus_arrives_whole(self):
        path = corpus("pepys.jsonl.zst")
        _, a, b = self.two_devices()
        self.assertIn("imported 3,413 entries", a.run("import", path).text)
        a.run("sync")
        self.assertIn("3,413 entries changed", b.run("sync").text)
        self.assertSame(a, b)
        self.assertEqual(b.run("verify", "--json").json[0]["damaged"], 0)
        lines = self.exported(b)["diary.jsonl"].splitlines()
        original = subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True).stdout.splitlines()
        got = sorted((e["date"], e["title"], e["text"]) for e in map(json.loads, lines))
        want = sorted((e["date"], e["title"], e["text"]) for e in map(json.loads, original))
        self.assertEqual(got, want)

    def test_syncing_nothing_is_one_round_trip(self):
        _, a, _ = self.two_devices()
        a.run("sync")
        (r,) = a.run("sync", "--json").json
        self.assertEqual((r["round_trips"], r["batches_sent"], r["synced"]), (1, 0, True))

    def test_a_server_that_lost_everything_is_filled_again(self):
        s, a, b = self.two_devices()
        e = a.add("Written before the fire")
        a.run("sync")
        b.run("sync")
        s.stop()
        shutil.rmtree(s.data)
        s.start()
        b.run("list")
        r = b.try_("sync", "--json", passphrase=True)
        self.assertIn(r.code, (OK, NOT_AUTHENTIC), r.note)  # it may be called what it is: a rollback
        for d in (b, a, b):
            d.try_("sync", passphrase=True)
            self.assertEqual(d.text_of(e), "Written before the fire")
        (r,) = b.run("sync", "--json").json
        self.assertTrue(r["synced"])
        c = self.device("c")
        c.login(s, a.account_key)
        c.run("sync")
        self.assertSame(a, c)

    def test_watching_shows_what_comes(self):
        _, a, b = self.two_devices()
        p = b.start("sync", "--watch", "--json")
        try:
            first = json.loads(p.stdout.readline())
            self.assertTrue(first["synced"])
            e = a.add("News")
            a.run("sync")
            while not json.loads(p.stdout.readline())["entries_changed"]:
                pass
            self.assertEqual(b.text_of(e), "News")
        finally:
            p.send_signal(signal.SIGTERM)
            out, err = p.communicate(timeout=30)
        self.assertEqual(p.returncode, OK, err)

    def test_watching_sends_what_is_written_here(self):
        _, a, b = self.two_devices()
        p = a.start("sync", "--watch")
        try:
            self.assertIn(b"the server holds everything", p.stdout.readline())
            e = a.add("Local news")
            self.assertIn(b"sent 1 batch", p.stdout.readline())
            b.run("sync")
            self.assertEqual(b.text_of(e), "Local news")
        finally:
            p.send_signal(signal.SIGINT)
            p.communicate(timeout=30)
        self.assertEqual(p.returncode, OK)

    def test_status_is_never_green_on_a_guess(self):
        s, a, _ = self.two_devices()
        self.assertIn("Synced   yes", a.run("status").text)
        a.add("Not sent")
        self.assertIn("Synced   no", a.run("status").text)
        self.assertFalse(a.run("status", "--json").json[0]["synced"])
        s.stop()
        a.run("sync", code=NETWORK)
        self.assertIn("Synced   no", a.run("status").text)
        s.start()
        a.run("sync")
        self.assertIn("Synced   yes", a.run("status").text)
        (st,) = a.run("status", "--json").json
        self.assertEqual([d["name"] for d in st["devices"]], ["attic", "boat"])
        a.run("lock")
        r = a.try_("status")
        self.assertEqual(r.code, OK)
        self.assertIn("locked", r.text)
        self.assertNotIn("yes", r.text)

    def test_versions_can_be_seen_and_brought_back(self):
        a = self.device().init()
        e = a.add("one")
        a.run("edit", e, input=b"one two")
        a.run("edit", e, input=b"three")
        versions = a.run("history", e, "--json").json
        self.assertEqual([v["version"] for v in versions], list(range(1, len(versions) + 1)))
        texts = [a.run("show", f"{e}@{v['version']}", "--text").text for v in versions]
        self.assertIn("one two\n", texts)
        self.assertEqual(texts[-1], "three\n")
        a.run("restore", f"{e}@{versions[texts.index('one two' + chr(10))]['version']}")
        self.assertEqual(a.text_of(e), "one two")
        a.run("show", f"{e}@999", code=NOT_FOUND)
        a.run("restore", e, code=USAGE)

    def test_what_changed_and_who_wrote_it(self):
        _, a, b = self.two_devices()
        e = a.add("one\ntwo\nthree")
        a.run("sync")
        b.run("sync")
        b.run("edit", e, input=b"one\n2\nthree")
        a.run("edit", e, input=b"one\ntwo\nthree\nfour")
        for d in (a, b, a):
            d.run("sync")
        n = len(a.run("history", e, "--json").json)
        self.assertEqual(n, 3)
        for d in (a, b):
            self.assertEqual(d.run("diff", f"{e}@1").text, "@@ 2\n-two\n+2\n@@ 4\n+four\n")
            self.assertEqual(d.run("diff", f"{e}@1", f"{e}@1").text, "")
            changes = d.run("diff", f"{e}@{n}", f"{e}@1", "--json").json
            self.assertEqual([(c["deleted"], c["inserted"]) for c in changes], [("2", "two"), ("\nfour", "")])
            runs = d.run("blame", e, "--json").json
            self.assertEqual([(r["device_name"], r["text"]) for r in runs],
                             [("attic", "one\n"), ("boat", "2"), ("attic", "\nthree"), ("attic", "\nfour")])
            lines = d.run("blame", e).text.splitlines()
            self.assertEqual([line.split("  ")[1:] for line in lines],
                             [["attic", "one"], ["boat", "2"], ["attic", "three"], ["attic", "four"]])
        a.run("diff", f"{e}@99", code=NOT_FOUND)
        f = a.add("another")
        a.run("diff", f"{e}@1", f"{f}@1", code=USAGE)

    def test_journals(self):
        _, a, b = self.two_devices()
        a.run("journal", "new", "Work")
        e = a.add("Meeting", "--journal", "Work")
        f = a.add("Dinner")
        self.assertEqual([x["id"] for x in a.run("list", "--journal", "Work", "--json").json], [e])
        a.run("mv", f, "work")
        a.run("journal", "rename", "Work", "Office")
        a.run("journal", "new", "Office", code=INPUT)
        a.run("add", "x", "--journal", "Nowhere", code=NOT_FOUND)
        a.run("sync")
        b.run("sync")
        self.assertEqual({j["name"]: j["entries"] for j in b.run("journal", "list", "--json").json},
                         {"Diary": 0, "Office": 2})
        self.assertSame(a, b)

    def test_finding_entries(self):
        a = self.device().init()
        e = a.add("The sea was calm", "--date", "2024-01-02", "--tag", "sea")
        f = a.add("The lake was rough", "--date", "2024-02-03")
        g = a.add("Twice on one day", "--date", "2024-02-03")
        self.assertIn(a.text_of("last"), (a.text_of(f), a.text_of(g)))
        self.assertEqual(a.text_of(e[:8]), "The sea was calm")
        r = a.run("show", "2024-02-03", code=NOT_FOUND)
        self.assertIn(f[:8], r.note)
        self.assertIn(g[:8], r.note)
        a.run("show", "1999-01-01", code=NOT_FOUND)
        r = a.run("search", "CALM", "sea", "--json").json
        self.assertEqual([h["id"] for h in r], [e])
        a.run("search", "desert", code=NOT_FOUND)
        self.assertEqual(len(a.run("list", "--from", "2024-02").lines), 2)
        self.assertEqual(len(a.run("list", "--to", "2024-01").lines), 1)
        self.assertEqual(len(a.run("list", "--tag", "sea").lines), 1)
        self.assertEqual(len(a.run("list", "--limit", "2").lines), 2)
        a.run("set", e, "title=At sea", "mood=calm")
        (x,) = a.run("show", e, "--json").json
        self.assertEqual((x["title"], x["fields"]), ("At sea", {"mood": "calm"}))
        a.run("set", e, "mood=", "date=2023-12-31")
        (x,) = a.run("show", e, "--json").json
        self.assertEqual((x["date"], x["fields"]), ("2023-12-31", {}))
        a.run("set", e, "date=2023-02-30", code=INPUT)
        today = a.add("Now")
        self.assertEqual([x["id"] for x in a.run("today", "--json").json], [today])

    def test_many_processes_on_one_device(self):
        _, a, b = self.two_devices()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(a.add, f"entry {i}") for i in range(24)]
            jobs += [pool.submit(a.run, "sync") for _ in range(4)]
            for j in jobs:
                j.result()
        self.assertEqual(len(a.run("list").lines), 24)
        a.run("sync")
        b.run("sync")
        self.assertSame(a, b)
        self.assertEqual(a.run("verify", "--json").json[0]["damaged"], 0)

    def test_two_devices_sync_at_the_same_moment(self):
        _, a, b = self.two_devices()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for i in range(5):
                a.add(f"a{i}")
                b.add(f"b{i}")
                for j in [pool.submit(d.run, "sync") for d in (a, b)]:
                    j.result()
        for d in (a, b, a):
            d.run("sync")
        self.assertEqual(len(a.run("list").lines), 10)
        self.assertSame(a, b)

    def test_a_diary_is_given_a_server(self):
        s = self.server()
        a = self.device().init()
        e = a.add("Alone so far")
        r = a.run("sync", code=INPUT)
        self.assertIn("no server", r.note)
        a.run("server", s.url, code=USAGE)
        a.run("server", s.url, "--name", "ada")
        a.run("server", s.url, "--name", "ada")  # taken at its word once more
        a.run("server", s.url, "--name", "bob", code=INPUT)
        self.assertIn("the server holds everything", a.run("sync").text)
        b = self.device("b")
        b.login(s, a.account_key)
        b.run("sync")
        self.assertEqual(b.text_of(e), "Alone so far")

    def test_a_passphrase_is_changed(self):
        s, a, b = self.two_devices()
        a.add("Secret")
        a.run("passwd", "--strength", "floor", "--new-passphrase-fd", "SECRET_FD", passphrase="wrong wrong wrong",
              secret_lines=("a new passphrase",), code=LOCKED)
        a.run("list", passphrase=True)
        a.run("passwd", "--strength", "floor", "--new-passphrase-fd", "SECRET_FD", secret_lines=("a new passphrase",))
        a.run("list", passphrase=True, code=LOCKED)
        a.passphrase = "a new passphrase"
        self.assertEqual(len(a.run("list", passphrase=True).lines), 1)
        a.run("sync")
        c = self.device("c")
        c.login(s, a.account_key, code=LOCKED)
        c.passphrase = "a new passphrase"
        c.login(s, a.account_key)
        c.run("sync")
        self.assertSame(a, c)
        b.run("sync")  # its own lock is as it was

    def test_a_weak_lock_is_offered_to_be_raised(self):
        s, a, b = self.two_devices()
        offer = "edn passwd --same --strength default"
        self.assertIn(offer, a.run("unlock", passphrase=True).note)
        a.run("passwd", "--same", code=USAGE)
        a.run("passwd", "--same", "--strength", "default", "--new-passphrase-fd", "SECRET_FD",
              secret_lines=("another",), code=USAGE)
        a.run("passwd", "--same", "--strength", "default", passphrase="wrong wrong wrong", code=LOCKED)
        a.run("passwd", "--same", "--strength", "default", passphrase=True)
        self.assertNotIn(offer, a.run("unlock", passphrase=True).note)
        b.run("sync")
        self.assertIn(offer, b.run("unlock", passphrase=True).note)  # its own lock is as it was
        c = self.device("c")
        c.login(s, a.account_key)  # by the passphrase that there was

    def test_an_account_without_an_account_key(self):
        s = self.server()
        a = self.device("a")
        r = a.run("init", "--server", s.url, "--name", "ada", "--strength", "floor", "--no-account-key")
        self.assertIn("without an account key", r.note)
        self.assertNotIn("Account key", r.text)
        b = self.device("b")
        b.run("login", "--server", s.url, "--name", "ada", "--strength", "floor")

    def test_the_emergency_sheet(self):
        s = self.server()
        a = self.device("a")
        r = a.run("init", "--server", s.url, "--name", "ada", "--strength", "floor")
        key = re.search(r"Account key\s+(\S+)", r.text).group(1)
        self.assertIn(f"edn login --server {s.url} --name ada", r.text)
        self.assertIn(key, a.run("sheet", passphrase=True).text)
        folder = self.path("sheet")
        a.run("sheet", "--pages", folder, passphrase=True)
        files = files_of(folder)
        self.assertEqual(sorted(files), ["sheet.html", "sheet.txt"])
        self.assertEqual({os.stat(os.path.join(folder, f)).st_mode & 0o777 for f in files}, {0o600})
        page = files["sheet.html"].decode()
        for text in (files["sheet.txt"].decode(), page):
            self.assertIn(key, text)
            self.assertIn(f"edn login --server {s.url} --name ada", text)
        self.assertIn("<svg", page)
        self.assertIsNone(re.search(r"src=|href=|url\(", page))  # it fetches nothing
        self.assertIn("could not make", a.run("sheet", "--pages", folder, passphrase=True, code=STORAGE).note)
        b = self.device("b")
        b.login(s, key.lower())
        b.run("login", "--server", s.url, "--name", "ada", code=INPUT)  # there is a diary already
        b.run("init", code=INPUT)


if __name__ == "__main__":
    main()
