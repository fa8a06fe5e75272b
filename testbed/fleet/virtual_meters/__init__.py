"""Virtual meters: a household behind a real interface, with a script of what goes wrong.

household   what truly flows, exact at any instant
script      what goes wrong, and when
display     what the meter says of the truth: its registers, with their accidents
line        what the wire makes of its bytes
speaker     the contract of all protocols: bytes in, bytes out at a time; no I/O
modbus_slave, p1, sml, iec62056   the protocols, encoded independently of the parsers of `meter_io`
ends, running                     ptys, sockets and a hurried clock around all that
soak                              many of them on buses in virtual time
"""
