"""LangChain's own tests of a vector store, for pytest; test_langchain.py runs them."""

import pytest
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests

from sqlite_hannoy.langchain import HannoyStore


class TestHannoyStore(VectorStoreIntegrationTests):
    @pytest.fixture()
    def vectorstore(self):
        store = HannoyStore(self.get_embeddings())
        yield store
        store.close()
