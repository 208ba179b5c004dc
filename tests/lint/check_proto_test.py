#!/usr/bin/env python3
"""What check_proto.py must find, and what it must leave alone."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "check_proto.py")

HEADER = 'syntax = "proto3";\npackage a.b;\nimport "sluice/annotations.proto";\n'
GOOD = HEADER + """
// A comment with message Not { string x = 1; }
message M {
  enum E { ZERO = 0; ONE = 1; }
  message Inner { repeated string names = 1; }
  string name = 1;
  oneof kind {
    Inner inner = 2;  // trailing
    sluice.Placeholder other = 3 [(sluice.refused) = "use "
                                                     "inner; // not a comment"];
  }
  map<string, Inner> by_name = 4;
  optional E e = 5;
  sluice.Placeholder tracing = 6 [(sluice.no_effect) = true];
}
service S { rpc Call(M) returns (M) {} }
"""


def run(text, listed="a.b.M.tracing\n", arguments=(), source=""):
    with tempfile.TemporaryDirectory() as root:
        for path, content in (("proto/a/b/m.proto", text), ("proto/no_effect.txt", listed), ("src/x/x.cc", source)):
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(content)
        result = subprocess.run([sys.executable, SCRIPT, "--root", root, *arguments], capture_output=True, text=True,
                                check=False)
        with open(os.path.join(root, "proto/no_effect.txt"), encoding="utf-8") as file:
            return result.returncode, result.stdout + result.stderr, file.read()


class CheckProto(unittest.TestCase):
    def fails(self, text, words, **more):
        code, output, _ = run(text, **more)
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)

    def test_good_file_passes(self):
        code, output, _ = run(GOOD)
        self.assertEqual(code, 0, output)
        self.assertIn("1 files, 2 messages, 7 fields, 1 without effect", output)

    def test_planted_faults_are_found(self):
        for old, new, words in (
                ("string name = 1;", "string name = 2;", "field number 2 twice"),
                ("Inner inner = 2;", "Inner name = 2;", "field name name twice"),
                ("optional E e = 5;", "sluice.Placeholder e = 5;", "a placeholder cannot be implemented"),
                ("ONE = 1;", "ONE = 0;", "0 twice"),
                ("ZERO = 0;", "ZERO = 3;", "the first value must be 0"),
                ("package a.b", "package a.c", "is not the folder's"),
                ("(sluice.no_effect) = true", '(sluice.refused) = ""', "without saying what to write"),
                ("(sluice.no_effect) = true", '(sluice.no_effect) = true, (sluice.refused) = "leave it out"',
                 "refused and without effect at once"),
                ("(sluice.no_effect) = true", "(sluice.no_efect) = true", "unknown option"),
        ):
            self.assertIn(old, GOOD)
            self.fails(GOOD.replace(old, new), words)

    def test_broken_file_is_an_error(self):
        self.fails(GOOD.replace("map<string, Inner>", "map<string Inner>"), "expected")

    def test_list_must_be_the_reviewed_one(self):
        self.fails(GOOD, "has no effect but is not listed", listed="")
        self.fails(GOOD, "is listed but has an effect now", listed="a.b.M.name\na.b.M.tracing\n")

    def test_write_writes_the_list(self):
        code, output, written = run(GOOD, listed="", arguments=["--write"])
        self.assertEqual(code, 0, output)
        self.assertEqual(written, "a.b.M.tracing\n")

    def test_unread_finds_fields_that_nothing_calls(self):
        calls = "a::b::M m; m.name(); m.by_name(); m.e(); m.has_inner(); i.names_size();"
        code, output, _ = run(GOOD, arguments=["--unread"], source=calls)
        self.assertEqual(code, 0, output)
        self.fails(GOOD, "a.b.M.e counts as implemented", arguments=["--unread"], source=calls.replace("m.e()", ""))


if __name__ == "__main__":
    unittest.main()
