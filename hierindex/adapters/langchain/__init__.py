"""LangChain's `VectorStore` on an index (``pip install 'hierindex[langchain]'``)."""

from hierindex.errors import need

need("langchain_core", "langchain")

from hierindex.adapters.langchain.store import HierIndexVectorStore  # noqa: E402 - what is missing is named first

__all__ = ["HierIndexVectorStore"]
