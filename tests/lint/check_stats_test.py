#!/usr/bin/env python3
"""What check_stats.py must find, and that this tree has none of it."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "check_stats.py")

HEADER = """
#define SLUICE_A_STATS(C, G, H)  \\
  C(one) G(two)                  \\
  H(three)

// C(comment)
#define SLUICE_B_STATS(C, G, H) C(four)

#define SLUICE_CELL_C(name) Counter name;
"""
WRITER = "void F() { a.one.Add(); a->two.Set(1);\n  (x ? b.three : c.four).Add(); }\n"


def run(header, writer, folder="src/x"):
    with tempfile.TemporaryDirectory() as root:
        for path, text in (("src/observe/stats.h", header), (folder + "/x.cc", writer)):
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        result = subprocess.run([sys.executable, SCRIPT, "--root", root], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr


class CheckStats(unittest.TestCase):
    def test_written_statistics_pass(self):
        self.assertEqual(run(HEADER, WRITER), (0, "4 statistics, all of them written\n"))

    def test_each_unwritten_one_is_named(self):
        for name in ("one", "two", "three", "four"):
            with self.subTest(name):
                code, output = run(HEADER, WRITER.replace(name, "other"))
                self.assertEqual(code, 1, output)
                self.assertIn(f"writes {name};", output)
                self.assertEqual(output.count("\n"), 1)

    def test_comments_and_longer_names_do_not_count(self):
        code, output = run(HEADER, "// a.one a.two a.three a.four\nvoid F() { a.one_more.Add(); }")
        self.assertEqual((code, output.count("\n")), (1, 4))

    def test_a_header_without_statistics_is_an_error(self):
        self.assertEqual(run("", WRITER)[0], 1)

    def test_this_tree(self):
        result = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
