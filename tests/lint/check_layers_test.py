#!/usr/bin/env python3
"""What check_layers.py must find, and what it must leave alone."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import check_layers  # pylint: disable=wrong-import-position

TABLE = """# Architecture

| room | one line | may include |
|---|---|---|
| `base` | words | - |
| `http` | codecs | base |
| `net` | sockets | base |
| `web` | server | base http net |
| `server` | wiring | everything above |
| `control-plane` | control | base http |

| room | another table |
"""
ROOMS = check_layers.read_rooms(TABLE)
HEADER = "#pragma once\n// What it is for.\n"


def found(path, text):
    return list(check_layers.check_file(path, text, ROOMS))


class Rooms(unittest.TestCase):
    def test_table_is_read(self):
        self.assertEqual(ROOMS["base"], set())
        self.assertEqual(ROOMS["web"], {"base", "http", "net"})
        self.assertEqual(ROOMS["server"], {"base", "http", "net", "web"})
        self.assertNotIn("room", ROOMS)

    def test_missing_table_is_a_finding(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertIn("is missing", next(check_layers.check_tree(root)))


class Includes(unittest.TestCase):
    CASES = [
        ("src/http/a.cc", '#include "base/x.h"', True),
        ("src/http/a.cc", '#include "http/x.h"', True),
        ("src/http/a.cc", '#include "net/x.h"', False),
        ("src/base/a.h", HEADER + '#include "http/x.h"', False),
        ("src/server/a.cc", '#include "web/x.h"', True),
        ("src/server/a.cc", '#include "control-plane/x.h"', False),
        ("control-plane/a.cc", '#include "http/x.h"', True),
        ("control-plane/a.cc", '#include "net/x.h"', False),
        ("src/http/a.cc", '#include "src/http/x.h"', False),
        ("src/http/a.cc", '#include "../http/x.h"', False),
        ("src/http/a.cc", '#include "harness/proxy.h"', False),
        ("tests/unit/http/a_test.cc", '#include "net/x.h"', True),
        ("src/http/a.cc", "#include <boost/asio.hpp>", False),
        ("src/web/a.cc", "#include <boost/beast/http.hpp>", True),
        ("src/web/a.h", HEADER + "#include <boost/beast/http.hpp>", False),
        ("src/http/a.cc", "#include <boost/intrusive_ptr.hpp>", True),
        ("src/http/a.cc", "#include <openssl/ssl.h>", False),
        ("src/net/tls.cc", "#include <openssl/ssl.h>", True),
        ("src/http/a.cc", '#include "envoy/type/v3/percent.pb.h"', False),
        ("src/server/a.cc", "#include <grpcpp/grpcpp.h>", False),
        ("src/server/xds_grpc.cc", "#include <grpcpp/grpcpp.h>", True),
        ("control-plane/ads_server.cc", "#include <grpcpp/grpcpp.h>", True),
        ("src/http/a.cc", '#include "absl/strings/str_cat.h"', False),
        ("src/http/a.cc", '#include "absl/status/statusor.h"', True),
    ]

    def test_each_case(self):
        for path, text, fine in self.CASES:
            with self.subTest(path=path, text=text):
                self.assertEqual(found(path, text) == [], fine, found(path, text))


class Rules(unittest.TestCase):
    CASES = [
        ("src/http/a.cc", "int x;\n" * 499, True),
        ("src/http/a.cc", "int x;\n" * 500, False),
        ("src/http/a.h", "#pragma once\nint x;", False),
        ("src/http/a.h", HEADER, True),
        ("src/http/a.cc", "auto t = std::chrono::steady_clock::now();", False),
        ("src/base/clock.cc", "auto t = std::chrono::steady_clock::now();", True),
        ("tests/e2e/a_test.cc", "auto t = std::chrono::system_clock::now();", False),
        ("src/http/a.cc", "// never steady_clock::now() here", True),
        ("src/http/a.cc", 'Say("steady_clock::now");', True),
        ("src/http/a.cc", "// TODO" + "(now): finish", False),
        ("src/http/a.cc", "// TODO" + ": finish", False),
        ("src/http/a.cc", "// TODO" + "(perf): fewer copies, #12", True),
        ("src/http/a.cc", "  throw 1;", False),
        ("tests/e2e/a_test.cc", "std::this_thread::sleep_for(1s);", False),
        ("tests/e2e/a_test.cc", "::usleep(5);", False),
        ("tests/e2e/a_test.cc", "sleep(5);", False),
        ("tests/e2e/a_test.cc", "timer.sleep(5);", True),
        ("tests/e2e/a_test.cc", "TEST(Retry, DISABLED_Works) {}", False),
        ("src/http/a.cc", "class BufferManager {", False),
        ("src/http/a.cc", "struct HttpConnectionManager {", True),
        ("src/http/a.cc", "struct ClusterManagerStats {", True),
        ("src/http/a.cc", "namespace sluice::http {", True),
        ("src/http/a.cc", "namespace detail_impl {", False),
        ("src/http/a.cc", "using namespace std;", False),
        ("src/http/a.cc", "// lint-ok: the kernel's own example\nusing namespace std;", True),
        ("src/http/a.cc", "using namespace std;  // lint-ok:", False),
    ]

    def test_each_case(self):
        for path, text, fine in self.CASES:
            with self.subTest(path=path, text=text[:60]):
                self.assertEqual(found(path, text) == [], fine, found(path, text))


class Coroutines(unittest.TestCase):
    CASES = [
        ("net::Task<int> Read(net::Stream& stream, std::size_t bytes_max);", True),
        ("Task<void> Serve(std::string_view name, Config* config);", True),
        ("Task<std::optional<int>> Exchange::Run();", True),
        ("Task<void> Serve(const std::string& name);", False),
        ("Task<void> Serve(int a,\n                 std::string name);", False),
        ("Task<void> Serve(std::unique_ptr<Stream> stream);", False),
        ("Task<void> Serve(Stream&& stream);", False),
        ("auto f = [&](int a) -> net::Task<void> { co_return; };", False),
        ("std::vector<Task<void>> tasks; void Add(const std::string& name);", True),
    ]

    def test_each_case(self):
        for text, fine in self.CASES:
            with self.subTest(text=text):
                self.assertEqual(found("src/net/a.cc", text) == [], fine, found("src/net/a.cc", text))


class Tree(unittest.TestCase):
    def test_program_names_findings_and_fails(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "src", "http"))
            os.makedirs(os.path.join(root, "src", "cellar"))
            for path, text in [("ARCHITECTURE.md", TABLE), ("src/http/string_utils.cc", "\n"),
                               ("src/http/a.cc", '\n#include "net/x.h"\n')]:
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            done = subprocess.run([sys.executable, os.path.join(HERE, "check_layers.py"), root],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("src/cellar:1: no row", done.stdout)
            self.assertIn("src/http/string_utils.cc:1: 'utils'", done.stdout)
            self.assertIn("src/http/a.cc:2: http includes net/x.h", done.stdout)
            self.assertIn("3 findings", done.stdout)


if __name__ == "__main__":
    unittest.main()
