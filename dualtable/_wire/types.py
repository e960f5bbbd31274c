"""The shapes that pass between the modules; nothing here has behaviour.

The rule: an ``Item`` holds plain Python values, a ``WireItem`` holds what DynamoDB's JSON protocol
sends, such as ``{"id": {"S": "o-1"}, "total": {"N": "12.5"}}``, with binary as base64 text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Item: TypeAlias = dict[str, Any]
"""An item as plain values: str, Decimal, bytes, bool, None, list, dict, and sets."""

Key: TypeAlias = dict[str, Any]
"""The key attributes of an item as plain values."""

WireValue: TypeAlias = dict[str, Any]
"""One typed value as DynamoDB sends it, such as ``{"N": "12.5"}``."""

WireItem: TypeAlias = dict[str, WireValue]
"""An item as DynamoDB sends it."""

WireKey: TypeAlias = dict[str, WireValue]
"""A key as DynamoDB sends it."""

ReadOnlyItem: TypeAlias = Mapping[str, Any]
"""What a caller hands in and keeps."""


Description: TypeAlias = dict[str, Any]
"""The ``Table`` structure of a ``DescribeTable`` response."""


Definition: TypeAlias = dict[str, Any]
"""The parameters of a ``CreateTable`` request."""
