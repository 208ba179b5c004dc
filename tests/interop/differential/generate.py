"""One static configuration and endless requests for it: what run.py sends through Envoy and sluice.

Left out are requests that docs/envoy-differences.md says we answer differently on purpose.
"""

TYPE = "type.googleapis.com/envoy."
HOSTS = ["plain.test", "www.plain.test", "deep.www.plain.test", "edit.test", "other.test"]


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name, port):
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": {
        "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]}}


def to(match, cluster_name="app", **action):
    return {"match": match, "route": {"cluster": cluster_name, **action}}


def says(match, status, text):
    return {"match": match, "direct_response": {"status": status, "body": {"inline_string": text}}}


def regex(text):
    return {"regex": text}


def header(name, **how):
    return {"name": name, **how}


def option(name, value, action):
    return {"header": {"key": name, "value": value}, "append_action": action}


MATCHES = [
    says({"path": "/exact"}, 200, "exact"),
    says({"prefix": "/any-case", "case_sensitive": False}, 200, "any case"),
    says({"path_separated_prefix": "/separated"}, 201, "separated"),
    says({"safe_regex": regex("/r[0-9]+(/x)?")}, 202, "regex"),
    says({"prefix": "/h", "headers": [header("x-a", string_match={"exact": "1"})]}, 200, "a is 1"),
    says({"prefix": "/h", "headers": [header("x-a", string_match={"prefix": "2"}, invert_match=True),
                                      header("x-b", present_match=True)]}, 200, "b and a not 2"),
    says({"prefix": "/h", "headers": [header("x-n", range_match={"start": -3, "end": 10})]}, 200, "in range"),
    says({"prefix": "/h", "headers": [header("x-b", string_match={"contains": "mid"})]}, 200, "mid"),
    says({"prefix": "/h", "headers": [header("x-b", string_match={"safe_regex": regex("[a-c]+")})]}, 200, "abc"),
    says({"prefix": "/q", "query_parameters": [{"name": "k", "string_match": {"exact": "v"}}]}, 200, "k is v"),
    says({"prefix": "/q", "query_parameters": [{"name": "p", "present_match": True}]}, 200, "p is there"),
    {"match": {"prefix": "/m", "headers": [header(":method", string_match={"exact": "PUT"})]},
     "direct_response": {"status": 204}},
    {"match": {"prefix": "/to-https"}, "redirect": {"https_redirect": True}},
    {"match": {"prefix": "/to-host"}, "redirect": {"host_redirect": "elsewhere.test", "response_code": "FOUND"}},
    {"match": {"prefix": "/to-port"}, "redirect": {"port_redirect": 8443, "response_code": "SEE_OTHER"}},
    {"match": {"prefix": "/to-path"}, "redirect": {"path_redirect": "/there?and=q", "response_code": "TEMPORARY_REDIRECT"}},
    {"match": {"prefix": "/to-prefix"}, "redirect": {"prefix_rewrite": "/new", "strip_query": True,
                                                     "response_code": "PERMANENT_REDIRECT"}},
    {"match": {"prefix": "/to-regex"}, "redirect": {"regex_rewrite": {
        "pattern": regex("^/to-regex/([a-z]+)"), "substitution": "/\\1/x"}}},
    to({"prefix": "/rewritten"}, prefix_rewrite="/inside"),
    to({"prefix": "/by-regex"}, regex_rewrite={"pattern": regex("/([0-9]+)"), "substitution": "/n\\1"}),
    to({"prefix": "/short"}, timeout="0.3s"),
    to({"prefix": "/nowhere"}, "absent"),
    to({"prefix": "/refusing"}, "refusing"),
    to({"prefix": "/empty"}, "empty"),
    to({"prefix": "/"}),
]
EDITS = [{
    "match": {"prefix": "/"}, "route": {"cluster": "app"},
    "request_headers_to_add": [option("x-interop-add", "route", "APPEND_IF_EXISTS_OR_ADD"),
                               option("x-interop-set", "%REQ(x-a)%", "OVERWRITE_IF_EXISTS_OR_ADD"),
                               option("x-interop-absent", "1", "ADD_IF_ABSENT"),
                               option("x-interop-there", "2", "OVERWRITE_IF_EXISTS")],
    "request_headers_to_remove": ["x-b"],
    "response_headers_to_add": [option("x-code", "%RESPONSE_CODE%", "OVERWRITE_IF_EXISTS_OR_ADD"),
                                option("x-origin", "again", "APPEND_IF_EXISTS_OR_ADD")],
    "response_headers_to_remove": ["x-secret"],
}]


def configuration(listen, admin, origin, refusing):
    hosts = [{"name": "plain", "domains": ["plain.test", "other.test"], "routes": MATCHES},
             {"name": "wild", "domains": ["*.plain.test"], "routes": [to({"prefix": "/"}, host_rewrite_literal="in.test")]},
             {"name": "deep", "domains": ["deep.www.plain.test"], "routes": [says({"prefix": "/"}, 200, "deep")]},
             {"name": "edit", "domains": ["edit.test"], "routes": EDITS,
              "request_headers_to_add": [option("x-interop-add", "host", "APPEND_IF_EXISTS_OR_ADD")]}]
    manager = {
        "@type": TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in", "normalize_path": True, "merge_slashes": True, "route_config": {
            "name": "r", "virtual_hosts": hosts, "validate_clusters": False},
        "http_filters": [{"name": "envoy.filters.http.router",
                          "typed_config": {"@type": TYPE + "extensions.filters.http.router.v3.Router"}}]}
    return {"admin": {"address": address(admin)}, "static_resources": {
        "listeners": [{"name": "in", "address": address(listen), "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
        "clusters": [cluster("app", origin), cluster("refusing", refusing),
                     {"name": "empty", "type": "STATIC", "connect_timeout": "1s",
                      "load_assignment": {"cluster_name": "empty"}}]}}


PATHS = ["/", "/exact", "/exact/", "/ANY-case", "/any-case/x", "/separated", "/separated/x", "/separatedx", "/r12", "/r12/x", "/r",
         "/h", "/h/deep", "/q", "/m", "/to-https/a", "/to-host/b", "/to-port", "/to-path", "/to-prefix/rest", "/to-regex/abc/d",
         "/rewritten", "/rewritten/x", "/by-regex/12/3", "/short", "/nowhere", "/refusing", "/empty", 
         "/a/./b", "/a/../exact", "/a//b", "/%41", "/a%2Fb", "/%7Euser", "/file.css", "/-_.~", "/a;b=c", "/a,b", "/(x)"]
# What the origin is told to answer, in x-do: see run.py.
ANSWERS = ["", "", "", "status=404", "status=500", "status=204", "status=304", "chunked", "chunked&trailers", "close", "empty",
           "big", "continue", "header=x-secret:1", "header=x-origin:one", "header=set-cookie:a=1", "cut", "nothing", "garbage"]


def request(dice):
    """The bytes of one request and a word on what they are."""
    method = dice.choices(["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"], [8, 4, 2, 2, 1, 1, 1])[0]
    path = dice.choice(PATHS)
    if dice.random() < 0.35:
        path += dice.choice(["?", "?k=v", "?p", "?k=w&p=1", "?k=v&k=w", "?a=/../b", "?x=%zz", "?%6b=v"])
    host = dice.choice(HOSTS) + dice.choice(["", "", "", ":80"])
    if dice.random() < 0.1:
        host = host.upper()
    fields = [("host", host)]
    if dice.random() < 0.5:
        fields.append(("x-a", dice.choice(["1", "2", "21", "", " 1 "])))
    if dice.random() < 0.5:
        fields.append(("x-b", dice.choice(["abc", "amidst", "B", ""])))
    if dice.random() < 0.3:
        fields.append(("x-n", dice.choice(["5", "-3", "10", "x", "-4"])))
    if dice.random() < 0.15:
        fields.append(("x-interop-there", "1"))
    if dice.random() < 0.15:
        fields.append(("cookie", "a=1; b=2"))
    if dice.random() < 0.1:
        fields.append(("accept-encoding", "gzip, br"))
    if dice.random() < 0.05:
        fields.append(("x-" + "n" * 60, "v" * dice.choice([1, 1000, 8000])))
    answer = dice.choice(ANSWERS)
    if path == "/short" and dice.random() < 0.3:
        answer = "slow"
    if answer:
        fields.append(("x-do", answer))
    body = b""
    if method in ("POST", "PUT", "PATCH"):
        text = bytes(dice.choice(b"abcdefghij") for _ in range(dice.choice([0, 1, 10, 3000, 70000])))
        if dice.random() < 0.5:
            fields.append(("content-length", str(len(text))))
            body = text
        else:
            fields.append(("transfer-encoding", "chunked"))
            size = dice.choice([1000, 7, 70000])
            pieces = [text[i:i + size] for i in range(0, min(len(text), size * 50), size)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    if dice.random() < 0.1:
        fields.append(("connection", "close"))
    bad = dice.random()
    if bad < 0.02:
        fields.append(("content-length", "5"))
    elif bad < 0.04:
        fields.append(("transfer-encoding", "gzip"))
    elif bad < 0.05:
        fields = fields[1:]
    elif bad < 0.06:
        fields.append(("bad name", "1"))
    elif bad < 0.07:
        fields.append(("x-nul", "a\0b"))
    elif bad < 0.08:
        path = path[1:] or "x"
    order = dice.random() < 0.2
    if order:
        dice.shuffle(fields)
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    return head.encode("latin1") + body, method
