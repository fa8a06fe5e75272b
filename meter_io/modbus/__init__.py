"""Modbus as a master speaks it: RTU, TCP, and RTU frames through a TCP gateway. Bytes in, register bytes out; no I/O.

Source: MODBUS Application Protocol V1.1b3; MODBUS over Serial Line V1.02; MODBUS Messaging on TCP/IP V1.0b.
"""
