#!/usr/bin/env python3
"""Checks proto/: tests/lint/check_proto.py [--write] [--unread] [--root DIR]

- message, field and enum names and numbers are unique where they must be;
- every refused field says what to write instead;
- a field type that is sluice.Placeholder belongs to a refused or ineffective field;
- no field is refused and without effect at once;
- with --unread: every implemented field is read somewhere in src/;
- the list of fields without effect equals proto/no_effect.txt, which is reviewed: a field in it is accepted and
  ignored. --write rewrites that file.
"""
import argparse
import os
import re
import sys

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\w.]+|[{}\[\]()<>=;,]')
LIST_NAME = "no_effect.txt"


class Broken(Exception):
    """The file is not proto3 as we write it."""


def strip_comments(text):
    return re.sub(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', lambda m: m.group(1) or " ", text, flags=re.S)


class Parser:
    """Reads one file into fields: dicts of message, name, number, type, options."""

    def __init__(self, path, text):
        self.path, self.tokens, self.at = path, TOKEN.findall(strip_comments(text)), 0
        self.package, self.fields, self.enums, self.messages = "", [], [], []

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected=None):
        token = self.peek()
        if not token or (expected is not None and token != expected):
            raise Broken(f"{self.path}: expected {expected or 'more'}, found {token or 'the end'}")
        self.at += 1
        return token

    def skip_statement(self):
        """To the end of a statement, over its block if it has one."""
        depth = 0
        while True:
            token = self.take()
            if token == "{":
                depth += 1
            elif token == "}":
                depth -= 1
                if depth == 0:
                    return
            elif token == ";" and depth == 0:
                return

    def parse(self):
        while self.peek():
            word = self.peek()
            if word == "package":
                self.take()
                self.package = self.take()
                self.take(";")
            elif word == "message":
                self.message(self.package)
            elif word == "enum":
                self.enum(self.package)
            else:
                self.skip_statement()  # syntax, import, option, extend, service
        return self

    def message(self, scope):
        self.take("message")
        name = scope + "." + self.take()
        self.messages.append(name)
        self.take("{")
        self.body(name)

    def body(self, name):
        while self.peek() != "}":
            word = self.peek()
            if word == "message":
                self.message(name)
            elif word == "enum":
                self.enum(name)
            elif word == "oneof":
                self.take()
                self.take()
                self.take("{")
                self.body(name)
            elif word in ("reserved", "option"):
                self.skip_statement()
            else:
                self.field(name)
        self.take("}")

    def enum(self, scope):
        self.take("enum")
        name, values = scope + "." + self.take(), []
        self.take("{")
        while self.peek() != "}":
            value = self.take()
            self.take("=")
            values.append((value, int(self.take())))
            self.take(";")
        self.take("}")
        self.enums.append((name, values))

    def field(self, message):
        kind = self.take()
        if kind in ("repeated", "optional"):
            kind += " " + self.take()
        elif kind == "map":
            self.take("<")
            key = self.take()
            self.take(",")
            kind = f"map<{key}, {self.take()}>"
            self.take(">")
        name = self.take()
        self.take("=")
        number = int(self.take())
        options = {}
        if self.peek() == "[":
            self.take()
            while True:
                self.take("(")
                option = self.take()
                self.take(")")
                self.take("=")
                value = self.take()
                while self.peek().startswith('"'):
                    value = value[:-1] + self.take()[1:]
                options[option] = value
                if self.take() == "]":
                    break
        self.take(";")
        self.fields.append(dict(message=message, name=name, number=number, type=kind, options=options,
                                path=self.path))


def duplicates(pairs):
    seen = {}
    for key, where in pairs:
        if key in seen:
            yield key, seen[key], where
        seen[key] = where


def check(files):
    """Returns (errors, sorted names of fields without effect) of parsed files."""
    errors, ineffective = [], []
    messages = [(m, f.path) for f in files for m in f.messages]
    for name, one, other in duplicates(messages):
        errors.append(f"{other}: message {name} is also in {one}")
    for parsed in files:
        folder = os.path.dirname(parsed.path).replace(os.sep, ".")
        if parsed.package != folder:
            errors.append(f"{parsed.path}: package {parsed.package} is not the folder's")
        for name, values in parsed.enums:
            for what in (0, 1):
                for key, _, _ in duplicates((v[what], v) for v in values):
                    errors.append(f"{parsed.path}: enum {name}: {key} twice")
            if not values or values[0][1] != 0:
                errors.append(f"{parsed.path}: enum {name}: the first value must be 0")
        by_message = {}
        for field in parsed.fields:
            by_message.setdefault(field["message"], []).append(field)
        for message, fields in by_message.items():
            for what in ("name", "number"):
                for key, _, _ in duplicates((f[what], f) for f in fields):
                    errors.append(f"{parsed.path}: {message}: field {what} {key} twice")
            for field in fields:
                check_field(field, errors, ineffective)
    return errors, sorted(ineffective)


def check_field(field, errors, ineffective):
    where = f"{field['path']}: {field['message']}.{field['name']}"
    options = field["options"]
    for option in options:
        if option not in ("sluice.refused", "sluice.no_effect", "sluice.sensitive"):
            errors.append(f"{where}: unknown option {option}")
    refused, ignored = "sluice.refused" in options, options.get("sluice.no_effect") == "true"
    if refused and len(options["sluice.refused"].strip('" ')) < 5:
        errors.append(f"{where}: refused without saying what to write instead")
    if refused and ignored:
        errors.append(f"{where}: refused and without effect at once")
    if "sluice.Placeholder" in field["type"] and not refused and not ignored:
        errors.append(f"{where}: a placeholder cannot be implemented")
    if ignored:
        ineffective.append(field["message"] + "." + field["name"])


# Messages that we only write, or that pass through as a whole.
WRITTEN_ONLY = ("envoy.admin.", "envoy.service.", "google.rpc.", "sluice.", "envoy.config.core.v3.Metadata",
                "envoy.config.core.v3.BuildVersion", "envoy.config.core.v3.Extension", "envoy.config.core.v3.Node",
                "envoy.type.v3.SemanticVersion", "envoy.config.core.v3.ControlPlane",
                "envoy.extensions.transport_sockets.tls.v3.Secret", "envoy.extensions.transport_sockets.tls.v3.Generic",
                "envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys")
# Accepted because they hold no field that could be set.
HOLLOW = ("envoy.config.core.v3.ConfigSource.ads", "envoy.config.listener.v3.FilterChain.filter_chain_match",
          "envoy.type.matcher.v3.RegexMatcher.google_re2")


def unread(files, source):
    """Implemented fields whose accessor no C++ file calls: a promise that nothing keeps. Goes by name alone."""
    text = ""
    for folder, _, names in os.walk(source):
        for name in names:
            if name.endswith((".cc", ".h")):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    text += file.read()
    called = set(re.findall(r"(?:\.|->|::)(\w+)\(", text)) | set(re.findall(r"::(k[A-Z]\w*)\b", text))
    found = []
    # A message that is only held by refused or ineffective fields is never looked at.
    refused = ("sluice.refused", "sluice.no_effect")
    held = {re.split(r"[ ,>]+", f["type"].rstrip(">"))[-1].split(".")[-1] for p in files for f in p.fields
            if not any(o in f["options"] for o in refused)}
    for parsed in files:
        nested = {m.split(".")[-1] for m in parsed.messages}
        for field in parsed.fields:
            owner = field["message"].split(".")[-1]
            if field["message"].startswith(WRITTEN_ONLY) or any(o in field["options"] for o in refused):
                continue
            if owner in nested and owner not in held and field["message"] not in text.replace("::", "."):
                continue
            case = "k" + "".join(part.capitalize() for part in field["name"].split("_"))
            names = {field["name"], "has_" + field["name"], field["name"] + "_size", case}
            if not names & called and field["message"] + "." + field["name"] not in HOLLOW:
                found.append(f"{parsed.path}: {field['message']}.{field['name']} counts as implemented, but nothing "
                             "reads it")
    return found


def read_all(proto):
    files = []
    for folder, _, names in sorted(os.walk(proto)):
        for name in sorted(names):
            if name.endswith(".proto"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    files.append(Parser(os.path.relpath(path, proto), file.read()).parse())
    return files


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true", help="rewrite proto/" + LIST_NAME)
    arguments.add_argument("--unread", action="store_true", help="also: implemented fields that src/ never reads")
    arguments.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))))
    options = arguments.parse_args()
    proto = os.path.join(options.root, "proto")
    try:
        files = read_all(proto)
    except Broken as broken:
        sys.exit(str(broken))
    errors, ineffective = check(files)
    if options.unread:
        errors += unread(files, os.path.join(options.root, "src"))
    if not files:
        errors.append(f"{proto}: no files")
    list_path = os.path.join(proto, LIST_NAME)
    text = "".join(name + "\n" for name in ineffective)
    if options.write:
        with open(list_path, "w", encoding="utf-8") as file:
            file.write(text)
    try:
        with open(list_path, encoding="utf-8") as file:
            listed = file.read()
    except OSError:
        listed = ""
    if listed != text:
        for name in sorted(set(ineffective) - set(listed.split())):
            errors.append(f"proto/{LIST_NAME}: {name} has no effect but is not listed; if it changes neither who may "
                          "reach what, nor what a client or upstream sees, nor a limit, run "
                          "tests/lint/check_proto.py --write")
        for name in sorted(set(listed.split()) - set(ineffective)):
            errors.append(f"proto/{LIST_NAME}: {name} is listed but has an effect now; run "
                          "tests/lint/check_proto.py --write")
        if not errors:
            errors.append(f"proto/{LIST_NAME}: not sorted")
    for error in errors:
        print(error)
    print(f"{len(files)} files, {sum(len(f.messages) for f in files)} messages, "
          f"{sum(len(f.fields) for f in files)} fields, {len(ineffective)} without effect")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
