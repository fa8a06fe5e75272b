"""A configuration pushed to thousands of emulated meters: real broker, real TLS, the operator's real tool.

Each meter is the device's own `firmware_app.fleet.agent.Agent`, with its real verification, behind an MQTT connection
of its own; what is light about it is the board around it.
"""
