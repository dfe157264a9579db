#!/usr/bin/env python3
"""A lost device had a week of writing in it, which comes too late: it is set aside on all devices, read, and kept or
thrown away on one of them."""
from harness import *

import http.client
import http.server
import threading


class Between(http.server.ThreadingHTTPServer):
    """The server as its devices know it, and what a test does before a request goes on."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Between.Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.port = self.at = self.then = None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def carry(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == self.server.at and self.server.then:
                then, self.server.then = self.server.then, None
                then()
            c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            c.request(self.command, self.path, body or None,
                      {k: v for k, v in self.headers.items() if k.lower() in ("authorization", "content-type")})
            r = c.getresponse()
            answer = r.read()
            self.send_response(r.status)
            for k in ("Content-Type", "Retry-After"):
                if r.getheader(k):
                    self.send_header(k, r.getheader(k))
            if r.status != 204:
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            c.close()

        do_GET = do_POST = do_PUT = do_HEAD = carry

        def log_message(self, *args):
            pass


class Quarantine(Case):
    def lost(self):
        """The owner's two devices, and a phone that was written on where there was no network."""
        self.between = Between()
        self.addCleanup(self.between.server_close)
        self.addCleanup(self.between.shutdown)
        s = self.server("--origin", self.between.url)
        self.between.port, s.url = s.port, self.between.url
        a = self.device("a").init(s)
        old = a.add("Up betimes, and to the office.", "--title", "Office")
        a.run("sync")
        b, d = self.device("b"), self.device("d")
        for x in (b, d):
            x.login(s, a.account_key, "ada", "--device-name", "phone" if x is b else "laptop")
            x.run("sync")
        fresh = b.add("A week alone, with a zephyr.", "--title", "Alone")
        junk = b.add("Ha ha.")
        b.run("edit", old, input=b"Up betimes, and by water to the office.")
        return s, a, b, d, old, fresh, junk

    def revoke_in_the_same_moment(self, a, b):
        """The phone finds a network just when the link that revokes it is under way."""
        self.between.at, self.between.then = "/v1/log", lambda: b.run("sync")
        a.run("device", "revoke", "phone", passphrase=True)
        self.assertIsNone(self.between.then)

    def listed(self, device):
        return {x["id"]: x for x in device.run("quarantine", "list", "--json").json}

    def test_what_came_too_late_is_told_once_read_and_decided_for_all(self):
        s, a, b, d, old, fresh, junk = self.lost()
        self.revoke_in_the_same_moment(a, b)
        r = a.run("sync", code=NOT_AUTHENTIC)
        self.assertIn("quarantine list", r.note)
        self.assertEqual(a.run("sync").note.count("quarantine"), 0)
        self.assertEqual(len(a.run("list").lines), 1)
        a.run("search", "zephyr", code=(OK, NOT_FOUND))
        self.assertNotIn("zephyr", a.run("search", "zephyr", code=(OK, NOT_FOUND)).text)
        self.assertEqual(a.text_of(old), "Up betimes, and to the office.")
        self.assertIn("of revoked devices in quarantine", a.run("status").text)
        q = self.listed(a)
        self.assertEqual(set(q), {old, fresh, junk})
        self.assertEqual((q[fresh]["title"], q[fresh]["known"], q[old]["known"]), ("Alone", False, True))
        self.assertEqual((q[old]["inserted"], q[old]["deleted"]), (9, 0))
        self.assertIn("Whoever had a device may have written this", a.run("quarantine", "list").note)
        self.assertIn("+Up betimes, and by water", a.run("quarantine", "show", old[:8]).text)
        self.assertEqual(a.run("quarantine", "show", fresh, "--text").text, "A week alone, with a zephyr.\n")
        # One is kept, one thrown away, on two devices; what is left, all at once.
        a.run("quarantine", "keep", code=USAGE)
        a.run("quarantine", "keep", fresh, "--all", code=USAGE)
        a.run("quarantine", "keep", "00000000", code=NOT_FOUND)
        self.assertIn("1 entry is kept", a.run("quarantine", "keep", fresh[:8]).note)
        a.run("sync")
        d.run("sync", code=NOT_AUTHENTIC)
        self.assertEqual(set(self.listed(d)), {old, junk})
        d.run("quarantine", "drop", junk)
        d.run("quarantine", "keep", "--device", "phone")
        d.run("sync")
        a.run("sync")
        for x in (a, d):
            self.assertEqual(self.listed(x), {})
            self.assertIn("Nothing is in quarantine", x.run("quarantine", "list").note)
            self.assertEqual(x.text_of(old), "Up betimes, and by water to the office.")
            self.assertEqual(len(x.run("list").lines), 2)
            self.assertIn("kept-from", x.run("show", fresh).text)
        a.run("quarantine", "drop", "--all", code=NOT_FOUND)
        a.run("verify")
        # Who comes new is given it by the server as well, and has nothing to decide.
        e = self.device("e")
        e.login(s, a.account_key, "ada", "--device-name", "new")
        e.run("sync")
        self.assertEqual(self.listed(e), {})
        self.assertEqual(e.run("list").text, a.run("list").text)

    def test_what_the_phone_sends_later_the_server_refuses_and_the_phone_keeps(self):
        s, a, b, d, old, fresh, junk = self.lost()
        a.run("device", "revoke", "phone", passphrase=True)
        b.run("sync", code=(NOT_AUTHENTIC, NETWORK, LOCKED))
        a.run("sync")
        self.assertEqual(self.listed(a), {})
        self.assertEqual(b.text_of(fresh), "A week alone, with a zephyr.")
        b.run("export", self.path("found"))  # the way in for what is on a phone that is found again
        a.run("import", self.path("found"))
        self.assertIn("zephyr", a.run("search", "zephyr").text)

    def test_several_go_by_one_link_and_an_unknown_one_stops_all(self):
        s, a, b, d, *_ = self.lost()
        a.run("device", "revoke", "phone", "nobody", passphrase=True, code=NOT_FOUND)
        self.assertTrue(all(x["active"] for x in a.run("device", "list", "--json").json))
        r = a.run("device", "revoke", "phone", "laptop", "--with-guests", passphrase=True)
        self.assertEqual(r.note.count("is revoked."), 2)
        self.assertEqual([x["active"] for x in a.run("device", "list", "--json").json].count(True), 1)
        made = [x for x in a.run("log", "--json").json if x["type"] == "revoke"]
        self.assertEqual(len({x["link"] for x in made}), 1)


if __name__ == "__main__":
    main()
