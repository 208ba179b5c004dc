"""Configuration of the three proxies and of the backend: the same site of 100 routes, each in its own words.

Every proxy has one worker, keeps connections to client and backend alive, buffers 16 KiB, and looks at 100 routes.
"""

import json

ROUTES = 100
BODY = "x" * 127 + "\n"
# In the middle of the table: neither its best case nor its worst.
PATH = "/app50/items?page=2"


def backend(port, directory):
    """nginx that answers every request with 128 bytes."""
    return f"""
worker_processes 1;
daemon off;
pid {directory}/backend.pid;
error_log {directory}/backend.err;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  {_scratch(directory, "backend")}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 "{BODY[:-1]}\\n"; }}
  }}
}}
"""


def nginx(port, upstream, directory, same_headers):
    """`same_headers`: adds the request headers that sluice adds (x-forwarded-for, -proto, x-request-id)."""
    headers = ""
    if same_headers:
        headers = """
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;"""
    locations = "\n".join(
        f"    location /app{i}/ {{ proxy_pass http://app; }}" for i in range(ROUTES))
    name = "nginx_headers" if same_headers else "nginx"
    return f"""
worker_processes 1;
daemon off;
pid {directory}/{name}.pid;
error_log {directory}/{name}.err;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  {_scratch(directory, name)}
  upstream app {{
    server 127.0.0.1:{upstream};
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_buffer_size 16k;
      proxy_buffers 4 16k;{headers}
{locations}
  }}
}}
"""


def _scratch(directory, name):
    """nginx wants these directories even when it never writes there."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "\n  ".join(f"{kind}_temp_path {directory}/{name}_{kind};" for kind in kinds)


def haproxy(port, upstream, directory):
    with open(f"{directory}/haproxy.map", "w", encoding="utf-8") as file:
        file.writelines(f"/app{i}/ app\n" for i in range(ROUTES))
    return f"""
global
  nbthread 1
  maxconn 8000
  tune.bufsize 16384
defaults
  mode http
  timeout client 3600s
  timeout server 3600s
  timeout connect 5s
  timeout http-keep-alive 3600s
  option http-keep-alive
  http-reuse always
frontend site
  bind 127.0.0.1:{port} backlog 4096
  use_backend %[path,map_beg({directory}/haproxy.map)]
backend app
  server one 127.0.0.1:{upstream} pool-max-conn -1
"""


def sluice(port, admin, upstream, access_log=""):
    """A bootstrap (JSON is YAML). `access_log`: a file, or "" for none. Metrics are always on."""
    types = "type.googleapis.com/envoy.extensions."
    manager = {
        "@type": types + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "site",
        "route_config": {"name": "site", "virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": f"/app{i}/"}, "route": {"cluster": "app"}}
                       for i in range(ROUTES)]}]},
        "http_filters": [{"name": "router", "typed_config":
                          {"@type": types + "filters.http.router.v3.Router"}}],
    }
    if access_log:
        manager["access_log"] = [{"name": "file", "typed_config": {
            "@type": types + "access_loggers.file.v3.FileAccessLog", "path": access_log}}]
    endpoint = {"endpoint": {"address": _address(upstream)}}
    # Well above what the load opens: the default of 1024 would be in the way of nobody, but say it.
    breakers = {"thresholds": [{"max_connections": 16384, "max_pending_requests": 16384,
                                "max_requests": 16384}]}
    return json.dumps({
        "admin": {"address": _address(admin)},
        "static_resources": {
            "listeners": [{"name": "site", "address": _address(port), "filter_chains": [
                {"filters": [{"name": "http", "typed_config": manager}]}]}],
            "clusters": [{"name": "app", "type": "STATIC", "circuit_breakers": breakers,
                          "load_assignment": {"cluster_name": "app", "endpoints": [
                              {"lb_endpoints": [endpoint]}]}}],
        },
    })


def _address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
