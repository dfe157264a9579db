"""Homes of before open, read as they did, and can be written to: tests/kat/home-N.tar.gz, which stay as they are.

home-1  of 2026, format 1: three entries (one edited, with a field and a tag; one moved; one deleted), two journals."""
import os
import tarfile

from harness import *

KAT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../kat")
SEA, MEETING, GONE = ("daa37a51ee338bdd75ef933163bed912", "7f52a3bd41d234338cad5f8c4fe7d48e",
                      "62587c185367b73a9e9f8a76cd0d16f6")


class Old(Case):
    def home(self, name):
        home = os.path.join(self.dir, name)
        os.mkdir(home, 0o700)
        with tarfile.open(os.path.join(KAT, name + ".tar.gz")) as archive:
            archive.extractall(home)
        device = Device(home)
        device.passphrase = PASSPHRASE
        return device

    def test_home_1_opens_and_goes_on(self):
        d = self.home("home-1")
        self.assertEqual([e["id"] for e in d.run("list", "--json").json], [SEA, MEETING])
        self.assertEqual([e["id"] for e in d.run("list", "--deleted", "--json").json], [SEA, MEETING, GONE])
        (sea,) = d.run("show", SEA, "--json").json
        self.assertEqual(sea["text"], "The sea was calm.\nWe walked far, 日記 😀.")
        self.assertEqual((sea["title"], sea["date"], sea["tags"]), ("By the sea", "2024-01-02", ["sea"]))
        self.assertEqual(sea["fields"]["mood"], "calm")
        self.assertEqual({j["name"]: j["entries"] for j in d.run("journal", "list", "--json").json},
                         {"Diary": 2, "Work": 0})
        self.assertEqual(d.run("show", f"{SEA}@1", "--text").text, "The sea was calm.\nWe walked, 日記 😀.\n")
        self.assertEqual(d.run("diff", f"{SEA}@1", "--json").json, [{"at": 27, "deleted": "", "inserted": " far"}])
        self.assertEqual(d.run("search", "walked", "--json").json[0]["id"], SEA)
        d.run("verify")
        d.run("undelete", GONE)
        d.run("edit", SEA, input=b"The sea was rough.")
        e = d.add("written since")
        self.assertEqual(d.text_of(GONE), "thrown away")
        self.assertEqual(d.text_of(SEA), "The sea was rough.")
        self.assertEqual(d.text_of(e), "written since")
        d.run("verify")


if __name__ == "__main__":
    main()
