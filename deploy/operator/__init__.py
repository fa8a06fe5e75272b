"""The field operator's command, `gridlight-fleet`: keys, signed bundles, and what they would change.

cli.py        the commands and their arguments
keys.py       files of operators' keys
files.py      reading and writing key sets, bundles and documents
authoring.py  `keygen`, `keyset`, `sign`: what makes files
reviewing.py  `verify`, `diff`: what reads them
"""
