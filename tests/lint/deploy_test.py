#!/usr/bin/env python3
"""deploy/ and the scripts of examples/ hold together: they parse, and the alerts ask for statistics that exist."""

import pathlib
import re
import shutil
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class Deploy(unittest.TestCase):
    def test_scripts_parse(self):
        scripts = [path for folder in ("deploy", "examples", "tests/bench") for path in (ROOT / folder).rglob("*.sh")]
        self.assertGreaterEqual(len(scripts), 5)
        for script in scripts:
            with self.subTest(script.name):
                self.assertEqual(run("bash", "-n", str(script)), (0, ""))
                self.assertTrue(script.stat().st_mode & 0o100, "not executable")

    def test_prometheus_accepts_its_files(self):
        promtool = shutil.which("promtool")
        self.assertIsNotNone(promtool, "promtool is missing: make deps")
        status, output = run(promtool, "check", "config", "deploy/prometheus/prometheus.yml")
        self.assertEqual(status, 0, output)

    def test_alerts_ask_for_what_is_counted(self):
        text = (ROOT / "src/observe/stats.h").read_text()
        counted = set(re.findall(r"\b[CGH]\((\w+)\)", text))
        counted |= {re.sub(r"_\dxx$", "_xx", name) for name in counted}
        counted.add("seconds_until_first_cert_expiring")  # In Prometheus' unit, beside Envoy's days.
        rules = (ROOT / "deploy/prometheus/alerts.yml").read_text()
        asked = set(re.findall(r"\benvoy_(?:http|cluster|server|worker|control_plane|listener)_\w+", rules))
        asked -= {"envoy_cluster_name"}
        self.assertGreaterEqual(len(asked), 10)
        for name in asked:
            with self.subTest(name):
                self.assertTrue(any(name.endswith("_" + stat) for stat in counted), "no such statistic")

    def test_units_stop_slower_than_the_proxy(self):
        """A second SIGTERM, or a kill, cuts requests off: whoever stops the proxy waits longer than it takes."""
        options = (ROOT / "src/server/options.h").read_text()
        shutdown = int(re.search(r"shutdown_time_s = (\d+)", options)[1])
        unit = (ROOT / "deploy/systemd/sluice.service").read_text()
        self.assertGreater(int(re.search(r"^TimeoutStopSec=(\d+)", unit, re.M)[1]), shutdown)
        compose = (ROOT / "deploy/compose.yaml").read_text()
        self.assertGreater(int(re.search(r"stop_grace_period: (\d+)s", compose)[1]), shutdown)


if __name__ == "__main__":
    unittest.main()
