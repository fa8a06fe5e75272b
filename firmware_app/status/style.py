"""How the page looks. Colours: Okabe and Ito's blue (import) and vermilion (export), never red against green; every
state has a shape and a word beside its colour. Contrast: text 4.5:1, drawings 3:1 (WCAG 2.2), light and dark.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

CSS: Final = """\
:root{color-scheme:light dark;--paper:#f3f4f1;--card:#fff;--ink:#16202a;--soft:#53606c;--line:#dde1e0;--in:#0072b2;
--out:#d55e00;--ok:#00684f;--warn:#8a5300;--bad:#a3270f;--gap:#9aa3aa}
@media(prefers-color-scheme:dark){:root{--paper:#0e1214;--card:#171d20;--ink:#e9edef;--soft:#a2aeb6;--line:#2a3337;
--in:#4fa8dc;--out:#f08443;--ok:#4cc3a0;--warn:#e9b44c;--bad:#ff8f75;--gap:#66727a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:60rem;margin:0 auto;padding:1.25rem 1rem 2rem}
h1,h2,p,dl,dd,ul{margin:0;padding:0}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1rem;margin-bottom:1rem}
header p:last-child{flex-basis:100%;color:var(--soft)}
.who{margin-left:auto;color:var(--soft);font-size:.875rem}
h1{font-size:2rem;line-height:1.2;letter-spacing:-.02em}
h1 span,.notice b{margin-right:.4em}
h2{font-size:.75rem;font-weight:600;letter-spacing:.06em;text-transform:uppercase;color:var(--soft);
margin-bottom:.5rem}
.ok{color:var(--ok)}.warn{color:var(--warn)}.bad{color:var(--bad)}
.card,.notice{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1rem 1.125rem}
.notice{padding-block:.625rem;
border-left:5px solid var(--warn);margin-bottom:.75rem;list-style:none;overflow-wrap:anywhere}
.notice.bad{border-left-color:var(--bad);color:inherit}
.notice b{color:var(--warn)}.notice.bad b{color:var(--bad)}
.notice small,.card small{display:block;color:var(--soft);font-size:.875rem}
.notice i{font-style:normal;color:var(--ink);font-weight:500}
.grid{display:grid;gap:1rem;grid-template-columns:1fr 1fr;margin:1rem 0}
.grid>:last-child:nth-child(odd){grid-column:1/-1}
.big{font-size:2.25rem;line-height:1.15;font-weight:600;letter-spacing:-.02em}
.big small{display:inline;font-size:1.125rem;font-weight:500;letter-spacing:0;color:inherit}
.big.word{font-size:1.5rem;line-height:1.9rem}
.dir{font-weight:600}.dir.in{color:var(--in)}.dir.out{color:var(--out)}
.pair{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem;
border-top:1px solid var(--line);
margin-top:.75rem;padding-top:.625rem}
.pair+.pair{margin-top:.5rem;padding-top:.5rem}.pair span{color:var(--soft)}
.steps{list-style:none;margin:.5rem 0 0}.steps li{display:flex;gap:.6em}.steps .no{color:var(--soft)}
.band{display:block;margin:.5rem 0}
.rail{fill:var(--line)}.range{fill:var(--soft)}.mark{fill:var(--ink)}
.day{display:block;margin-top:.5rem}.day text{font-size:12px;fill:var(--soft)}
path.in{fill:var(--in)}path.out{fill:var(--out)}.gap{fill:var(--gap);opacity:.28}
.zero,.grid-line,.deal,path.grid,.midnight{fill:none;vector-effect:non-scaling-stroke}
.zero{stroke:var(--soft);stroke-width:1}path.grid,.midnight{stroke:var(--line);stroke-width:1}
.midnight{stroke:var(--soft);stroke-dasharray:2 4}
.deal{stroke:var(--ink);stroke-width:2;stroke-dasharray:5 3}
.key{display:flex;flex-wrap:wrap;gap:.125rem 1.25rem;color:var(--soft);font-size:.875rem}
.key svg{vertical-align:-1px;margin-right:.4em}
.key path{stroke-width:2}
dl.card{display:grid;grid-template-columns:7rem 1fr;padding-block:.25rem}
dt{color:var(--soft);padding:.5rem 0}dd{padding:.5rem 0;overflow-wrap:anywhere}
dd small{color:var(--soft)}dl>:nth-child(n+3){border-top:1px solid var(--line)}
details{margin-top:.5rem;font-size:.875rem}summary{color:var(--soft);cursor:pointer;padding:.25rem 0}
table{border-collapse:collapse;width:100%;max-width:30rem}
td,th{text-align:right;padding:.125rem .5rem;border-top:1px solid var(--line)}
td:first-child,th:first-child{text-align:left}
footer{color:var(--soft);font-size:.875rem;margin-top:1.25rem;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem}
a{color:inherit}
.wide{margin:1rem 0}
@media(max-width:40rem){.grid{grid-template-columns:1fr}}
@media(max-width:30rem){dl.card{display:block}dt{padding-bottom:0;font-size:.8125rem}dl>dd:nth-child(n){border-top:0;padding-top:0}
h1{font-size:1.75rem}
.who{margin-left:0;flex-basis:100%}}
@media print{body{background:#fff}.card,.notice{break-inside:avoid}}
"""
"""One sheet, inline: the page asks for nothing else."""

CSS_HASH: Final = "sha256-" + base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
"""For the content security policy: this sheet may be used, and no other, and no script at all."""
