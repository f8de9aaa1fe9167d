"""The Python of the documentation, in the checkout that the tests are in."""

import os
import re
import tempfile
import unittest

from available import LOADS, has

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


def blocks(page):
    """The line and the text of each block of Python."""
    with open(os.path.join(TOP, "docs", page), encoding="utf-8") as file:
        text = file.read()
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
        yield text.count("\n", 0, found.start()) + 1, found.group(1)


@unittest.skipUnless(LOADS, "sqlite3 of this Python loads no extensions")
class Pages(unittest.TestCase):
    def run_page(self, page):
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        count = 0
        for line, text in blocks(page):
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                # The block is code of this checkout, as a reader would run it.
                exec(compile("\n" * line + text, page, "exec"), {"__name__": page})
                os.chdir(before)
            count += 1
        self.assertGreater(count, 0)

    def test_install(self):
        self.run_page("install.md")

    @unittest.skipUnless(
        all(map(has, ("langchain_core", "llama_index", "sqlalchemy"))),
        "no LangChain or LlamaIndex",
    )
    def test_frameworks(self):
        self.run_page("frameworks.md")
