"""The field operator's command, `gridlight-fleet`: signed configuration for a fleet, pushed in waves and watched.

On files alone:
cli.py           the commands and their arguments
keys.py          files of operators' keys
files.py         reading and writing key sets, bundles and documents
authoring.py     `keygen`, `keyset`, `sign`: what makes files
reviewing.py     `verify`, `diff`: what reads them
brokering.py     `broker`: what mosquitto runs from

At a desk:
desk/            the desk's folder: its file, its tables, its audit
rollout/         waves and thresholds, without I/O
serving/         the one long-running program, `serve`
dashboard/       what it shows in a browser, and figures for Prometheus
founding.py      `init`
enrolling.py     `enroll`, `revoke`
pushing.py       `push`; following.py shows how it goes on
controlling.py   `pause`, `resume`, `abort`, `rollback`
key_rotation.py  `keys`
collecting.py    `collect`
auditing.py      `audit`
showing.py       `status`; overview.py is the fleet in one document, for the command, the page and the figures
"""
