"""Makes the wheel of one platform: wheels.sh names it, and the library that goes in."""

import os
import re
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TOP = Path(__file__).resolve().parent.parent.parent
VERSION = re.search(r"^VERSION := (.+)$", (TOP / "Makefile").read_text(), re.M).group(1)


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + os.environ["HANNOY_WHEEL_PLATFORM"]
        library = Path(os.environ["HANNOY_LIBRARY"])
        build_data["force_include"] = {
            str(library): "sqlite_hannoy/" + library.name,
            str(TOP / "LICENSE"): "sqlite_hannoy/licences/hannoy",
        }
        for licence in Path(os.environ["HANNOY_LICENCES"]).iterdir():
            build_data["force_include"][str(licence)] = "sqlite_hannoy/licences/" + licence.name
