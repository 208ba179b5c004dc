#!/usr/bin/python3
"""Envoy's --mode validate and ours must agree on every configuration in examples/ and tests/golden.

Bootstraps are validated as they are; a listener, cluster or route table is put into a bootstrap. Where we differ on
purpose, the file is listed in validate_differs.txt with the reason.
"""

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile

import yaml

import peers

DIFFERS = peers.HERE / "validate_differs.txt"
GOLDEN = peers.SOURCE / "tests" / "golden"
TYPE = "type.googleapis.com/envoy."


def wrap(kind, resource):
    """A bootstrap with this resource in it."""
    static = {}
    xds = peers.http2_cluster("xds", 1)
    static["clusters"] = [xds]
    if kind == "clusters":
        static["clusters"].append(resource)
    elif kind == "listeners":
        static["listeners"] = [resource]
    else:
        manager = {"@type": TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                   "stat_prefix": "in", "route_config": resource,
                   "http_filters": [
                       {"name": "cors", "typed_config": {"@type": TYPE + "extensions.filters.http.cors.v3.Cors"}},
                       {"name": "router", "typed_config": {"@type": TYPE + "extensions.filters.http.router.v3.Router"}}]}
        resource["validate_clusters"] = resource.get("validate_clusters", False)
        static["listeners"] = [{"name": "in", "address": peers.address(0), "filter_chains": [{"filters": [{
            "name": "hcm", "typed_config": manager}]}]}]
    return {"node": {"id": "n", "cluster": "c"}, "static_resources": static, "dynamic_resources": {"ads_config": {
        "api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]}}}


def configurations(directory):
    """(name, path of a bootstrap) of everything there is."""
    for path in sorted((peers.SOURCE / "examples").rglob("*.yaml")):
        text = path.read_text()
        if "static_resources" in text or "dynamic_resources" in text:
            yield str(path.relative_to(peers.SOURCE)), path
    for path in sorted(GOLDEN.glob("bootstrap/*.yaml")):
        yield str(path.relative_to(peers.SOURCE)), path
    for kind in ("listeners", "clusters", "routes"):
        for path in sorted(GOLDEN.glob(f"{kind}/*.yaml")):
            try:
                resource = yaml.safe_load(path.read_text())
            except yaml.YAMLError:
                continue  # Not about Envoy.
            target = directory / f"{kind}-{path.name}.json"
            target.write_text(json.dumps(wrap(kind, resource)))
            yield str(path.relative_to(peers.SOURCE)), target


def validate(command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, errors="replace",
                            cwd=peers.SOURCE)
    return result.returncode == 0, (result.stdout + result.stderr).strip()


def both(item):
    name, path = item
    envoy = validate([peers.ENVOY, "--mode", "validate", "-c", path, "-l", "error", "--use-dynamic-base-id"])
    ours = validate([peers.BIN / "sluice", "--mode", "validate", "-c", path, "--defaults", "envoy"])
    return name, envoy, ours


def main():
    lines = [line for line in DIFFERS.read_text().splitlines() if line and not line.startswith("#")]
    differs = dict(line.split(": ", 1) for line in lines)
    failures, agree = [], {True: 0, False: 0}
    with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, envoy, ours in pool.map(both, list(configurations(pathlib.Path(directory)))):
            listed = differs.pop(name, None)
            if envoy[0] == ours[0]:
                agree[ours[0]] += 1
                if listed:
                    print(f"{name}: no longer different; take it off the list")
            elif not listed and ours[0]:
                failures.append(f"{name}: ours takes it, Envoy does not: {envoy[1][-1500:]}")
            elif not listed:
                failures.append(f"{name}: Envoy takes it, ours does not: {ours[1][-600:]}")
    failures += [f"{name}: is listed, but there is no such file" for name in differs]
    for failure in failures:
        print(failure)
    print(f"validate: both accept {agree[True]}, both refuse {agree[False]}, different on purpose {len(lines)}, "
          f"{len(failures)} failures")
    sys.exit(1 if failures or not agree[True] else 0)


if __name__ == "__main__":
    main()
