"""The MQTT library comes without what it would take to ask for proxies."""

import subprocess
import sys

_SCRIPT = """
import sys
from firmware_app.management.proxies import no_proxies
with no_proxies():
    from firmware_app.management import link
brought = sorted({"http.client", "email", "tempfile"} & set(sys.modules))
from paho.mqtt import client
none = client.urllib.request.getproxies()
with no_proxies():
    pass
import urllib.request
print(brought, none, hasattr(urllib.request, "Request"), client.urllib.request is urllib.request)
with no_proxies():
    import urllib.request as same
print(hasattr(same, "Request"))
"""


def test_what_reads_proxies_is_not_loaded_and_whoever_needs_it_gets_it() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        env={"mqtt_proxy": "http://proxy.example:1"},
    )
    assert said.stdout.splitlines() == ["[] {} True True", "True"]
