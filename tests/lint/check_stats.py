#!/usr/bin/env python3
"""Every statistic of src/observe/stats.h is written somewhere in src/: tests/lint/check_stats.py [--root DIR]

Prints one line per statistic that no code touches as a member (`stats.upstream_rq_total`).
Exit code 1 when there is one.
"""
import argparse
import os
import re
import sys

SCOPE = re.compile(r"#define SLUICE_(\w+)_STATS\(C, G, H\)((?:.*\\\n)*.*\n)")
STAT = re.compile(r"\b[CGH]\((\w+)\)")
COMMENT = re.compile(r"//[^\n]*")
MEMBER = re.compile(r"(?:\.|->)(\w+)")


def statistics(root):
    """Yields (scope, name) in the order of the header."""
    with open(os.path.join(root, "src/observe/stats.h"), encoding="utf-8") as file:
        text = COMMENT.sub("", file.read())
    for scope, body in SCOPE.findall(text):
        for name in STAT.findall(body):
            yield scope, name


def members(root):
    """Every word after a '.' or '->' in the sources of src/ but stats.h."""
    words = set()
    for folder, _, files in os.walk(os.path.join(root, "src")):
        for name in files:
            if not name.endswith((".h", ".cc")) or name == "stats.h":
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                words.update(MEMBER.findall(COMMENT.sub("", file.read())))
    return words


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    root = parser.parse_args().root
    found = list(statistics(root))
    if not found:
        print("src/observe/stats.h: no statistics found; has its form changed?")
        return 1
    used = members(root)
    unused = [(scope, name) for scope, name in found if name not in used]
    for scope, name in unused:
        print(f"src/observe/stats.h: SLUICE_{scope}_STATS: nothing in src/ writes {name}; wire it or remove it")
    if not unused:
        print(f"{len(found)} statistics, all of them written")
    return 1 if unused else 0


if __name__ == "__main__":
    sys.exit(main())
