"""What is put to the proof, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from testbed.powercut.campaign import Subject
from testbed.powercut.file_subjects import (
    ReplacementSubject,
    SettingsSubject,
    StateSalvageSubject,
    WalletSubject,
)
from testbed.powercut.fleet_subject import FleetSubject
from testbed.powercut.orders_subject import OrdersSubject
from testbed.powercut.ring_subjects import HeadlessSubject, OutboxSubject, RingSubject, SalvageSubject

SUBJECTS: Final[dict[str, Callable[[], Subject]]] = {
    subject.name: subject
    for subject in (
        RingSubject,
        OutboxSubject,
        SettingsSubject,
        WalletSubject,
        OrdersSubject,
        SalvageSubject,
        HeadlessSubject,
        ReplacementSubject,
        StateSalvageSubject,
        FleetSubject,
    )
}
"""All of them by name, in the order in which they are tried."""
