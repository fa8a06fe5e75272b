"""The broker of the management plane: the fleet's certificates, and a configuration for mosquitto as Debian ships it.

`gridlight-fleet broker` writes all of it into one folder. Nothing that a device believes rests on the broker: bundles
and key sets are signed, letters are answered by name. What the broker guards is who may be heard, and that nobody
reads or fills another's topics.
"""
