"""From a role's name to the actor that plays it: the one place of the live testbed that knows them all."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from light_client.session.actor import Actor, Storage
from testbed.live.nodefile import ActorSpec, NodeFile

Factory: TypeAlias = Callable[[ActorSpec, NodeFile, Storage], Actor]
"""Builds an actor on its part of the store. Raises NodeFileError for options that it does not understand."""

ROLES: Final[Mapping[str, Factory]] = MappingProxyType({})
