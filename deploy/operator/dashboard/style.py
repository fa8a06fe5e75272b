"""How the pages look: the device's own sheet and what a fleet needs besides, and a script that keeps a page fresh.

The script asks for the same address again and puts the new `main` in the place of the old one; without it the page
refreshes as a whole. Both are inline and named by their hash in the policy: nothing else is loaded, ever.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from firmware_app.status.style import CSS as DEVICE_CSS

REFRESH_S: Final = 2
_CSS: Final = """\
main{max-width:76rem}
nav{margin-bottom:.75rem;font-size:.875rem;color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.75rem;margin:0 0 1rem}
.tiles .card{padding:.75rem 1rem}.tiles .big{font-size:1.75rem}
.map{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem;margin:1rem 0}
.map .card{padding:.875rem 1rem}
.cells{display:flex;flex-wrap:wrap;gap:3px;margin:.5rem 0}
.cells a{display:grid;place-items:center;width:18px;height:18px;border-radius:4px;font:700 11px/1 system-ui,sans-serif;
text-decoration:none;color:var(--paper)}
.cells a:focus-visible{outline:2px solid var(--ink);outline-offset:2px}
.well{background:var(--ok)}.changing{background:var(--in)}.away{background:var(--gap)}.silent{background:var(--warn)}
.ill{background:var(--bad)}.cells a.away{color:var(--ink)}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:.875rem;color:var(--soft);margin:0;padding:0;
list-style:none}
.legend b{display:inline-grid;place-items:center;width:18px;height:18px;border-radius:4px;color:var(--paper);
font:700 11px/1 system-ui,sans-serif;margin-right:.4em}.legend b.away{color:var(--ink)}
.strip{display:block;border-radius:4px;background:var(--line);margin:.375rem 0}
.f-silent{fill:var(--warn)}
.f-well{fill:var(--ok)}.f-changing{fill:var(--in)}.f-away{fill:var(--gap)}.f-ill{fill:var(--bad)}.f-todo{fill:none}
.wide-table{overflow-x:auto}.wide-table td{vertical-align:top}.wide-table table{max-width:none}
td.text,th.text{text-align:left;vertical-align:top}td.text:not(:last-child){white-space:nowrap}
td.text:not(:last-child) small{white-space:normal}
section.card{margin:1rem 0}section.card>h2{margin-top:0}
.word{font-weight:600}
"""

CSS: Final = DEVICE_CSS + _CSS
SCRIPT: Final = f"""\
"use strict";
const shown = () => document.querySelector("main");
setInterval(async () => {{
  if (document.hidden || document.querySelector("details[open]")) return;
  try {{
    const answer = await fetch(location.href, {{cache: "no-store"}});
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    if (fresh && fresh.innerHTML !== shown().innerHTML) shown().replaceWith(fresh);
  }} catch {{
    document.body.classList.add("stale");
  }}
}}, {REFRESH_S * 1000});
"""


def _hash_of(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


POLICY: Final = (
    f"default-src 'none'; style-src '{_hash_of(CSS)}'; script-src '{_hash_of(SCRIPT)}'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of every answer."""
