#!/usr/bin/python3
"""Compares proto/ with the proto files that an independent package ships: proto_equal.py OURS THEIRS_DEPS [--write]

Every message, field name, number, type, cardinality and oneof, every enum and value of ours must be theirs. What the
package does not know yet is listed in proto_newer.txt; an entry there that is not needed any more is an error too, and so
is a field of a compared message that is theirs and not ours.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

HERE = pathlib.Path(__file__).resolve().parent
NEWER = HERE / "proto_newer.txt"
HEAD = "# What proto/ has and the compared package does not know yet, or has not: review what proto_equal.py --write adds.\n"
PLACEHOLDER = ".sluice.Placeholder"
Field = descriptor_pb2.FieldDescriptorProto


def descriptors(roots, files):
    """{full name: DescriptorProto or EnumDescriptorProto} of `files` and all they import."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", *(f"-I{root}" for root in roots), "--include_imports", f"--descriptor_set_out={out.name}",
                        *files], check=True, stderr=subprocess.DEVNULL)
        parsed = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())
    found = {}

    def walk(prefix, messages, enums):
        for enum in enums:
            found[f"{prefix}.{enum.name}"] = enum
        for message in messages:
            name = f"{prefix}.{message.name}"
            found[name] = message
            walk(name, message.nested_type, message.enum_type)

    for file in parsed.file:
        walk(f".{file.package}", file.message_type, file.enum_type)
    return found


def field_facts(message, field):
    """What the wire and the JSON form of a field depend on."""
    # An optional field is in a oneof of its own, which the wire does not show.
    named = field.HasField("oneof_index") and not field.proto3_optional
    oneof = message.oneof_decl[field.oneof_index].name if named else ""
    return {
        "number": field.number,
        "cardinality": Field.Label.Name(field.label),
        "type": Field.Type.Name(field.type),
        "type name": field.type_name,
        "oneof": oneof,
        "JSON name": field.json_name,
    }


def compare_messages(name, ours, theirs):
    known = {field.name: field for field in theirs.field}
    for field in ours.field:
        path = f"{name[1:]}.{field.name}"
        other = known.pop(field.name, None)
        if other is None:
            yield path, "is not theirs"
            continue
        facts, wanted = field_facts(ours, field), field_facts(theirs, other)
        if facts["type name"] == PLACEHOLDER and other.type == Field.TYPE_MESSAGE:
            facts["type name"] = wanted["type name"]  # Any message may stand there: only its presence is looked at.
        for fact, value in facts.items():
            if value != wanted[fact]:
                yield path, f"{fact} is {value or 'none'}, theirs {wanted[fact] or 'none'}"
    for field in known.values():
        # Of version 2 and gone since.
        if not field.options.deprecated and "hidden_envoy_deprecated" not in field.name:
            yield f"{name[1:]}.{field.name}", "is missing"


def compare_enums(name, ours, theirs):
    known = {value.name: value.number for value in theirs.value}
    for value in ours.value:
        number = known.pop(value.name, None)
        if number != value.number:
            yield f"{name[1:]}.{value.name}", f"is {value.number}, theirs {number}"
    for value in known:
        yield f"{name[1:]}.{value}", "is missing"


def differences(ours, theirs):
    for name, descriptor in sorted(ours.items()):
        if name.startswith((".sluice.", ".google.protobuf.")) or name.split(".")[-1].endswith("Entry"):
            continue
        other = theirs.get(name)
        if type(other) is not type(descriptor):
            yield name[1:], "is not theirs"
        elif isinstance(descriptor, descriptor_pb2.EnumDescriptorProto):
            yield from compare_enums(name, descriptor, other)
        else:
            yield from compare_messages(name, descriptor, other)


def patched_rules(deps, folder):
    """Their rules of validation, with the field that newer protos of theirs use and the shipped copy lacks."""
    file = "validate/validate.proto"
    text = (deps / "protoc-gen-validate" / file).read_text()
    head, message, rest = text.partition("message StringRules {")
    if "ignore_empty" not in rest.partition("\n}")[0]:
        message += "\n  optional bool ignore_empty = 10000;"
    (folder / "validate").mkdir()
    (folder / file).write_text(head + message + rest)


def main():
    ours_root, deps = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    rules = tempfile.TemporaryDirectory()
    patched_rules(deps, pathlib.Path(rules.name))
    files = sorted(str(path.relative_to(ours_root)) for path in ours_root.rglob("*.proto"))
    ours = descriptors([ours_root], files)
    their_roots = [deps / "envoy-api", deps / "xds", pathlib.Path(rules.name), deps / "googleapis"]
    shared = [file for file in files if any((root / file).exists() for root in their_roots)]
    theirs = descriptors(their_roots, shared)
    # A file of ours may hold what is in another one of theirs: look through all files of the same folders.
    folders = {os.path.dirname(file) for file in files}
    for folder in sorted(folders):
        for root in their_roots:
            for path in sorted((root / folder).glob("*.proto")):
                file = str(path.relative_to(root))
                if file not in shared:
                    for name, descriptor in descriptors(their_roots, [file]).items():
                        theirs.setdefault(name, descriptor)
    expected = {line for line in NEWER.read_text().splitlines() if line and not line.startswith("#")}
    failures, fields = [], 0
    if "--write" in sys.argv:
        NEWER.write_text(HEAD + "".join(f"{path}: {what}\n" for path, what in differences(ours, theirs)))
        return
    for path, what in differences(ours, theirs):
        if f"{path}: {what}" in expected:
            expected.remove(f"{path}: {what}")
        else:
            failures.append(f"{path}: {what}")
    failures += [f"{line}   (listed in {NEWER.name}, but no longer so)" for line in sorted(expected)]
    compared = [name for name in ours if name.startswith(".envoy.") and name in theirs]
    fields = sum(len(getattr(ours[name], "field", ())) for name in compared)
    for failure in failures:
        print(failure)
    print(f"proto: {len(compared)} messages and enums, {fields} fields compared, {len(failures)} unexpected differences")
    if len(compared) < 100:
        sys.exit("too few to mean anything")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
