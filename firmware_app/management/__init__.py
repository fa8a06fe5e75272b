"""The management plane on the device: how it joins a fleet, hears its operator, and says how it is.

params.py        the table `[fleet]`
in_force.py      which configuration the device runs by
credentials.py   where certificate and key lie; the TLS that they make
certificate.py   the key made on the device, the request for a certificate, the grant checked
joining.py       a ticket becomes a certificate and the agent's memory
link.py          one connection to the broker, bounded in every direction
backoff.py       when the next one is tried
postman.py       which letters are sent when
wellness.py      how the device is: for the health gate, the operator and alarms
inbox.py         bundles out of files and from sticks
steward.py       does what the agent wants: disk, journal, device
part.py          all of it as a supervised part of `gridlight run`
commands.py      `gridlight fleet`
"""
