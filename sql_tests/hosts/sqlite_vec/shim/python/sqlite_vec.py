"""Stands in for the package sqlite_vec: the same functions, another extension.

The environment variable HANNOY has its path.
"""

import os
from struct import pack

__version__ = "0.1.9"


def loadable_path():
    return os.environ["HANNOY"].removesuffix(".so")


def load(connection):
    connection.load_extension(loadable_path())


def serialize_float32(vector):
    return pack(f"{len(vector)}f", *vector)


def serialize_int8(vector):
    return pack(f"{len(vector)}b", *vector)
