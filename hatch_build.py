"""Give an editable installation, which is a whole checkout, the commands of the remote tier and of the operator too.

The wheel that goes onto boards holds the three device packages and the command `gridlight` alone: a command whose
package is not there would only confuse. Why so: docs/adr/0001-packaging.md.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TierCommands(BuildHookInterface[Any]):
    """Adds the two commands as scripts when a checkout is installed with `pip install -e`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before a wheel of the kind `version`, `standard` or `editable`, is built."""
        if version == "editable":
            build_data["shared_scripts"] = {
                "testbed/bin/gridlight-testbed": "gridlight-testbed",
                "deploy/operator/bin/gridlight-fleet": "gridlight-fleet",
            }
