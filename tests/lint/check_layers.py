#!/usr/bin/env python3
"""Checks the rules of the tree that a compiler does not know: check_layers.py [ROOT].

Includes between rooms follow the table of ARCHITECTURE.md; foreign headers stay in their rooms; files are short;
time comes from one file; tests do not sleep; coroutines take only parameters that cannot dangle. Prints
`path:line: what is wrong` for each finding and ends with exit code 1 when there is one.

A line that must break a rule says so: a comment `lint-ok: <reason>` on the same line, or on the line above.
"""
import os
import re
import sys

FILE_LINES_MAX = 499
BANNED_WORDS = {"utils", "util", "common", "manager", "helper", "helpers", "impl", "misc"}
XDS_NOUNS = {"http_connection_manager", "listener_manager", "cluster_manager"}  # Envoy's words keep their names.
CODE_FOLDERS = ("src", "control-plane", "tests")

# Includes that start so are allowed only in files that match; the last column says it in words.
FOREIGN = [
    (r"boost/(asio|beast)", r"src/web/.*\.cc|tests/", "src/web/*.cc"),
    (r"openssl/", r"src/net/.*\.cc|src/config/compile_tls\w*\.cc|tests/", "src/net/*.cc and src/config/compile_tls.cc"),
    (r"nghttp2/", r"src/http/.*\.cc|tests/", "src/http/*.cc"),
    (r"(google/protobuf/|.*\.pb\.h$)", r"src/(config|xds)/.*\.cc|src/server/(bootstrap\w*|\w*_proto)\.cc|control-plane/|tests/",
     "src/config/*.cc, src/xds/*.cc, src/server/bootstrap.cc and control-plane/"),
    (r"grpc(pp|\+\+)?/", r"src/server/(xds_grpc|csds)\w*\.cc|control-plane/|tests/",
     "src/server/xds_grpc.cc, csds.cc and control-plane/"),
    (r"prometheus/", r"src/observe/.*\.cc|tests/", "src/observe/*.cc"),
    (r"yaml-cpp/", r"src/config/.*\.cc|control-plane/.*\.cc|tests/", "src/config/*.cc and control-plane/*.cc"),
    (r"re2/", r"src/config/|tests/", "src/config/"),
    (r"ares\.h|ares_", r"src/net/.*\.cc", "src/net/*.cc"),
    (r"spdlog/|fmt/", r"src/base/.*\.cc", "src/base/*.cc"),
    (r"CLI/", r"src/server/.*\.cc|control-plane/.*\.cc", "src/server/*.cc and control-plane/*.cc"),
    (r"absl/(?!status/|container/flat_hash_(map|set)\.h|functional/any_invocable\.h|hash/|random/|cleanup/)", r"(?!)",
     "no file: absl gives Status, StatusOr, flat_hash_map and _set, AnyInvocable, Hash, BitGen, Cleanup, std the rest"),
]

# (what, where not, where allowed, why). Matched against code without comments and strings.
TOKENS = [
    (r"\b(steady_clock|system_clock|high_resolution_clock)::now\b|\bclock_gettime\s*\(|\bgettimeofday\s*\(",
     r"src/base/clock\.cc", "the clock is read in src/base/clock.cc only; take a base::Clock"),
    (r"\bstd::random_device\b|\bstd::rand\s*\(|\bsrand\s*\(", r"src/base/random\.cc",
     "randomness is passed in as base::Random"),
    (r"^\s*throw\b", r"tests/", "we throw nothing: return a Status"),
    (r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w:>.])(::)?sleep\s*\(", None,
     "nothing sleeps: wait for the event, tests with Eventually"),
    (r"\bDISABLED_\w+|\bGTEST_SKIP\b", r"(?!tests/).*", "a test that does not run is no test"),
    (r"\busing namespace\b(?!\s+std::(string_|string_view_|chrono_)?literals\b)",
     None, "name what you use"),
    (r"\]\s*\([^()]*\)\s*(mutable\s*)?(noexcept\s*)?->\s*(net::)?Task<", None, "lambdas are never coroutines"),
    (r"\b(net::)?Task<[^;(){}]*>\s+\w*&&", None, "coroutine results are taken by value"),
]
UNFINISHED = re.compile(r"TODO\(now\)|FIXME|XXX:")
TODO = re.compile(r"\bTODO\b(?!\((perf|security|compat)\): .*#\d+)")
TYPE_NAME = re.compile(r"^\s*(?:class|struct|enum class|enum|namespace)\s+(?:\[\[\w+\]\]\s*)?([A-Za-z_]\w*)")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
OWNERS = re.compile(r"\bstd::(string|vector|function|shared_ptr|unique_ptr|optional|map|pair|tuple|deque)\b")
SKIP = re.compile(r"//.*?$|/\*.*?\*/|R\"(\w*)\(.*?\)\1\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", re.S | re.M)


def read_rooms(text):
    """{room: set of rooms it may include} from the table of ARCHITECTURE.md."""
    rooms, inside = {}, False
    for line in text.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if cells[:1] == ["room"] and cells[-1] == "may include":
            inside = True
        elif inside and not line.strip().startswith("|"):
            break
        elif inside and len(cells) == 3 and not set(cells[0]) <= set("-: "):
            if cells[2] == "everything above":
                rooms[cells[0]] = set(rooms)
            else:
                rooms[cells[0]] = set(cells[2].replace("`", "").split()) - {"-"}
    return rooms


def code_only(text):
    """The text with comments and literals blanked; every line keeps its number."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return SKIP.sub(blank, text)


def words_of(name):
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)}


def banned_in(name):
    lowered = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    for noun in XDS_NOUNS:
        lowered = lowered.replace(noun, "")
    return sorted(words_of(lowered) & BANNED_WORDS)


def room_of(path):
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    return parts[0] if parts[0] == "control-plane" else None


def check_include(path, quote, target, rooms):
    room = room_of(path)
    if quote == '"' and (target.startswith("src/") or "../" in target):
        yield f"include {target} by its room: \"{target.split('src/')[-1].replace('../', '')}\""
    first = target.split("/")[0]
    if quote == '"' and "/" in target and first in rooms and not target.endswith(".pb.h"):
        if room is not None and first != room and first not in rooms.get(room, set()):
            allowed = " ".join(sorted(rooms.get(room, set()))) or "nothing"
            yield f"{room} includes {target}, but it may include {allowed} (ARCHITECTURE.md)"
    if first in ("tests", "harness") and room is not None:
        yield f"{target} is test code"
    for start, home, words in FOREIGN:
        if re.match(start, target) and not re.match(home, path):
            yield f"<{target}> lives in {words}"


def check_coroutines(code):
    """(offset, message) for each coroutine parameter that may dangle or be copied into the frame."""
    for match in re.finditer(r"\bTask<(?:[^<>;{}()]|<[^<>;{}()]*>)*>\s+(?:\w+::)*\w+\s*\(", code):
        depth, end = 1, match.end()
        while end < len(code) and depth:
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        parameters, depth, start = [], 0, match.end()
        for at in range(match.end(), end):
            depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(code[at], 0)
            if (code[at] == "," and depth == 0) or at == end - 1:
                parameters.append(" ".join(code[start:at].split()))
                start = at + 1
        for parameter in parameters:
            reference = "&" in parameter
            if "&&" in parameter or (reference and re.search(r"\bconst\b", parameter)):
                yield match.start(), f"coroutine parameter `{parameter}`: a temporary bound to it outlives nobody"
            elif not reference and "*" not in parameter and OWNERS.search(parameter):
                yield match.start(), f"coroutine parameter `{parameter}`: make it a member of the owner"


def findings_of(path, text, rooms):
    """(line number, message) for each finding in one C++ file."""
    lines = text.splitlines()
    code = code_only(text)
    code_lines = code.splitlines()
    if len(lines) > FILE_LINES_MAX:
        yield 1, f"{len(lines)} lines; at most {FILE_LINES_MAX}: split it by idea"
    if path.endswith(".h") and not text.startswith("#pragma once\n//"):
        yield 1, "a header starts with #pragma once and a comment on what it is for"
    for number, line in enumerate(lines, 1):
        include = INCLUDE.match(line)
        if include:
            for message in check_include(path, include.group(1), include.group(2), rooms):
                yield number, message
        if UNFINISHED.search(line):
            yield number, "unfinished work does not land"
        elif TODO.search(line):
            yield number, "write TODO(perf|security|compat): ... with an issue number (#12)"
    for number, line in enumerate(code_lines, 1):
        for pattern, allowed, why in TOKENS:
            if re.search(pattern, line) and not (allowed and re.match(allowed, path)):
                yield number, why
        name = TYPE_NAME.match(line)
        for word in banned_in(name.group(1)) if name else []:
            yield number, f"'{word}' in a name says nothing"
    for offset, message in check_coroutines(code):
        yield code.count("\n", 0, offset) + 1, message


def check_file(path, text, rooms):
    lines = text.splitlines()
    for number, message in findings_of(path, text, rooms):
        near = lines[max(0, number - 2):number]
        if not any(re.search(r"//.*lint-ok: \S", line) for line in near):
            yield f"{path}:{number}: {message}"


def tree_files(root):
    for folder in CODE_FOLDERS:
        for parent, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = sorted(name for name in folders if name not in ("corpus", "__pycache__", "node_modules"))
            for name in sorted(names):
                yield os.path.relpath(os.path.join(parent, name), root).replace(os.sep, "/")


def check_tree(root):
    try:
        with open(os.path.join(root, "ARCHITECTURE.md"), encoding="utf-8") as file:
            rooms = read_rooms(file.read())
    except OSError:
        rooms = {}
    if not rooms:
        yield "ARCHITECTURE.md:1: the table `| room | one line | may include |` is missing"
        return
    source = os.path.join(root, "src")
    for folder in sorted(os.listdir(source)) if os.path.isdir(source) else []:
        if folder not in rooms:
            yield f"src/{folder}:1: no row in the table of ARCHITECTURE.md"
    for path in tree_files(root):
        stem = os.path.splitext(os.path.basename(path))[0]
        for word in banned_in(stem):
            yield f"{path}:1: '{word}' in a file name says nothing"
        if path.endswith((".cc", ".h")):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                yield from check_file(path, file.read(), rooms)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(here))
    count = 0
    for finding in check_tree(root):
        print(finding)
        count += 1
    if count:
        print(f"{count} findings")
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
