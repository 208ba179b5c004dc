"""How long until pushed routes serve: sluice-control with 10,000 routes, one sluice, one client that keeps asking."""

import contextlib
import http.client
import json
import os
import statistics
import threading
import time

from processes import LOAD_CORE, PROXY_CORE, Process, free_port

HOSTS = 100
ROUTES_PER_HOST = 100
REPEATS = 5


def measure(binaries, directory):
    """{"all_ms", "one_ms"}: medians, from the moment the change is durable, which is when it is pushed, to the first answer
    that shows it; "all_request_ms" and "one_request_ms" count from the moment the change was sent to the API. None
    without the programs."""
    if not os.access(f"{binaries}/sluice-control", os.X_OK):
        return None
    ports = {name: free_port() for name in ("web", "xds", "api", "admin")}
    with contextlib.ExitStack() as stack:
        apps, data = f"{directory}/apps.yaml", f"{directory}/data"
        with open(apps, "w", encoding="utf-8") as file:
            json.dump(site(ports["web"], 0), file)
        control = stack.enter_context(Process(
            "sluice-control", LOAD_CORE,
            [f"{binaries}/sluice-control", "--config", apps, "--data", data, "--xds", f"127.0.0.1:{ports['xds']}",
             "--api", f"127.0.0.1:{ports['api']}"], f"{directory}/control.log"))
        control.wait_for_port(ports["api"])
        bootstrap = f"{directory}/ads.yaml"
        with open(bootstrap, "w", encoding="utf-8") as file:
            json.dump(ads_bootstrap(ports["admin"], ports["xds"]), file)
        proxy = stack.enter_context(Process(
            "sluice", PROXY_CORE, [f"{binaries}/sluice", "-c", bootstrap, "--concurrency", "1"],
            f"{directory}/ads.log"))
        proxy.wait_for_port(ports["web"])
        api = http.client.HTTPConnection("127.0.0.1", ports["api"], timeout=30)
        web = http.client.HTTPConnection("127.0.0.1", ports["web"], timeout=10)
        times = {"all": [], "all_request": [], "one": [], "one_request": []}
        for step in range(1, REPEATS + 1):
            body = json.dumps(site(ports["web"], step))
            sent, pushed, seen = one(api, web, data, ("PUT", "/v1/config", body), f"step {step}")
            times["all"].append(seen - pushed)
            times["all_request"].append(seen - sent)
        for step in range(1, REPEATS + 1):
            body = json.dumps({"exact": "/page99", "respond": {"status": 200, "body": f"changed {step}"}})
            sent, pushed, seen = one(
                api, web, data, ("PUT", "/v1/hosts/host99.example/routes/last", body), f"changed {step}")
            times["one"].append(seen - pushed)
            times["one_request"].append(seen - sent)
        return {f"{name}_ms": statistics.median(values) * 1000 for name, values in times.items()}


def one(api, web, data, request, wanted):
    """Sends one change from a thread of its own while this one asks again and again. When it was sent, became durable and
    was first seen, in seconds of the wall clock."""
    answered = {}

    def change():
        api.request(*request, headers={"Content-Type": "application/json"})
        answer = api.getresponse()
        answered["status"], answered["text"] = answer.status, answer.read()

    thread = threading.Thread(target=change)
    sent = time.time()
    thread.start()
    while True:
        web.request("GET", "/page99", headers={"Host": "host99.example"})
        body = web.getresponse().read().decode()
        seen = time.time()
        if body == wanted:
            break
        if seen > sent + 30 or answered.get("status", 200) >= 300:
            raise SystemExit(f"{request[0]} {request[1]} did not become '{wanted}': {answered}, last answer {body!r}")
        time.sleep(0.0003)  # The control plane is on this core, and works now.
    thread.join()
    if answered["status"] >= 300:
        raise SystemExit(f"{request[0]} {request[1]}: {answered}")
    # Renaming the file into its place is the last step before the push.
    pushed = max(entry.stat().st_ctime_ns for entry in os.scandir(data)) / 1e9
    return sent, pushed, seen


def site(port, step):
    def route(number):
        entry = {"exact": f"/page{number}", "respond": {"status": 200, "body": f"step {step}"}}
        if number == ROUTES_PER_HOST - 1:
            entry["id"] = "last"
        return entry
    return {"listeners": {"web": {"address": "127.0.0.1", "port": port}}, "apps": {},
            "hosts": {f"host{i}.example": {"routes": [route(j) for j in range(ROUTES_PER_HOST)]}
                      for i in range(HOSTS)}}


def ads_bootstrap(admin, xds):
    def address(port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    http2 = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
             "explicit_http_config": {"http2_protocol_options": {}}}
    source = {"ads": {}, "resource_api_version": "V3"}
    return {
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": address(admin)},
        "dynamic_resources": {
            "ads_config": {"api_type": "GRPC", "transport_api_version": "V3",
                           "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]},
            "lds_config": source, "cds_config": source},
        "static_resources": {"clusters": [{
            "name": "xds", "type": "STATIC",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
            "load_assignment": {"cluster_name": "xds", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": address(xds)}}]}]}}]},
    }
