"""`HierIndexVectorStore`: documents in a learned tree, searched by what they mean."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
import pyarrow as pa
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from hierindex.adapters.growing import Growing
from hierindex.adapters.langchain.documents import documents_in, payload_schema, payload_table, schema_of
from hierindex.adapters.langchain.filters import DocumentFilter, allowed
from hierindex.api import BuildConfig, HierIndex
from hierindex.errors import InputError
from hierindex.vectors import Float32, Metric, as_vectors, positive

__all__ = ["DocumentFilter", "HierIndexVectorStore"]


class HierIndexVectorStore(VectorStore):
    """A LangChain vector store on a hierindex.

    It may be empty; the tree is learned from the first documents, and again while there are few. Adding documents with
    ids that are there replaces them. With a ``path`` every change is on disk when its call returns, and the store opens
    with what is there.

    Filters are mappings of metadata keys (``{"year": {"$gte": 1959}, "genre": "jazz"}``; operators $eq, $ne, $gt, $gte,
    $lt, $lte, $in, $nin, and $and, $or, $not around them), functions of a `Document`, or pyarrow expressions over
    ``columns``. k documents come back whenever k match. A filter over ``columns`` only is asked of all documents at
    once; others read the metadata of each document in Python, one by one.

    Scores are distances (see `Metric`): smaller is nearer. Relevance scores are cosines, or 1 / (1 + distance) for l2
    and 1 / (1 + exp(-product)) for ip; larger is nearer.

    Args:
        embedding: makes vectors of texts.
        metric: "cosine", "l2" or "ip".
        path: a folder, or an address in an object store; None keeps documents in memory.
        columns: metadata keys with the pyarrow types of columns of their own, for fast filters; a store that is opened
            has those it was made with.
        recall: the share of the true neighbours that a search finds, on average; up to 1,000 documents (4,000 where
            embeddings are short, see `IndexConfig`) all of them.
        config: how the tree is learned and laid out.

    Raises:
        InputError: columns or a metric other than those of the store at the path, or the index there is not a store's.
        StorageError: it cannot be opened.

    Example:
        ``store = HierIndexVectorStore(OpenAIEmbeddings(), path="docs.index", columns={"year": pa.int64()})``
    """

    def __init__(
        self,
        embedding: Embeddings,
        *,
        metric: Metric | str = Metric.COSINE,
        path: str | PathLike[str] | None = None,
        columns: Mapping[str, pa.DataType] | None = None,
        recall: float = 0.95,
        config: BuildConfig | None = None,
    ) -> None:
        self._embedding, self._recall = embedding, recall
        self._metric = Metric.parse(metric)
        self._growing = Growing(self._metric, config, path)
        self._schema = payload_schema(columns or {})
        if self._growing.index is not None:
            self._schema = schema_of(self._growing.index, None if columns is None else self._schema)

    @property
    def embeddings(self) -> Embeddings:
        """What makes vectors of texts."""
        return self._embedding

    @property
    def index(self) -> HierIndex | None:
        """The index behind, with its tree; None while nothing was added."""
        return self._growing.index

    def __len__(self) -> int:
        """How many documents there are."""
        return len(self._growing)

    def refresh(self) -> bool:
        """Go on to what other processes have written at the path; whether there was anything new."""
        return self._growing.refresh()

    # ---- changing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: object,
    ) -> list[str]:
        """Embed texts and put them in, in the place of those with the same ids; one change, all or nothing.

        Args:
            texts: what to embed and keep.
            metadatas: for each text; JSON values.
            ids: for each text; where there are none (or None for one), new ones are made. Of one that is given twice,
                the last text counts.
            kwargs: none are known.

        Returns:
            The ids, one for each text.

        Raises:
            InputError: lengths that differ, metadata that JSON or a column cannot hold, unknown arguments.
            StorageError: it could not be written; nothing is changed.
        """
        _refuse(kwargs)
        words = list(texts)
        known = [{} for _ in words] if metadatas is None else list(metadatas)
        given: Sequence[str | None] = [None] * len(words) if ids is None else list(ids)
        if not len(words) == len(known) == len(given):
            raise InputError(
                f"metadatas and ids should be {len(words)}, one for each text; found {len(known)} and {len(given)}"
            )
        names = [str(uuid.uuid4()) if name is None else name for name in given]
        if not words:
            return names
        last = sorted({name: row for row, name in enumerate(names)}.values())
        payload = payload_table([words[row] for row in last], [known[row] for row in last], self._schema)
        vectors = as_vectors(self._embedding.embed_documents([words[row] for row in last]), name="embeddings")
        chosen = np.empty(len(last), dtype=object)
        chosen[:] = [names[row] for row in last]
        self._growing.add(vectors, chosen, payload, replace=True)
        return names

    def delete(self, ids: list[str] | None = None, **kwargs: object) -> bool:
        """Take documents out; ids that are not there are passed over.

        Raises:
            InputError: no ids: all documents are not deleted by leaving something out.
        """
        _refuse(kwargs)
        if ids is None:
            raise InputError("ids should be a list; found None; to empty a store, pass all ids")
        if ids:
            chosen = np.empty(len(set(ids)), dtype=object)
            chosen[:] = list(dict.fromkeys(ids))
            self._growing.remove(chosen)
        return True

    # ---- asking

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents of ids, in their order; those that are not there are left out."""
        index = self._now()
        if index is None:
            return []
        known = [name for name in dict.fromkeys(ids) if name in index]
        return documents_in(index, known) if known else []

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:  # noqa: ANN401 - as above it
        """The k documents nearest to a text; ``filter`` and ``recall`` as for `similarity_search_with_score`."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:  # noqa: ANN401
        """The k documents nearest to a vector; ``filter`` and ``recall`` as for `similarity_search_with_score`."""
        return [document for document, _ in self.similarity_search_with_score_by_vector(embedding, k, **kwargs)]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        *,
        filter: DocumentFilter | None = None,  # noqa: A002 - what LangChain calls it
        recall: float | None = None,
    ) -> list[tuple[Document, float]]:
        """The k documents nearest to a text with their distances, nearest first.

        Args:
            query: the text.
            k: how many; fewer come back only where fewer match.
            filter: which documents may be found, see the class.
            recall: instead of the store's own; 1 is exact.

        Raises:
            InputError: k < 1, or a filter that is none.
        """
        return self.similarity_search_with_score_by_vector(
            self._embedding.embed_query(query), k, filter=filter, recall=recall
        )

    def similarity_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        *,
        filter: DocumentFilter | None = None,  # noqa: A002
        recall: float | None = None,
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`, of a vector."""
        index = self._now()
        if index is None:
            positive(k, "k")
            return []
        names, distances = self._found(index, embedding, k, filter, recall)
        return list(zip(documents_in(index, names), distances, strict=True))

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,  # noqa: ANN401
    ) -> list[Document]:
        """As `max_marginal_relevance_search_by_vector`, of a text."""
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(  # type: ignore[override]  # LangChain's own ends in **kwargs
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: DocumentFilter | None = None,  # noqa: A002
        recall: float | None = None,
    ) -> list[Document]:
        """Documents near a vector and unlike each other (Carbonell and Goldstein, SIGIR 1998).

        Args:
            embedding: the vector.
            k: how many.
            fetch_k: of how many nearest ones they are chosen.
            lambda_mult: 1 asks for nearness alone, 0 for difference alone.
            filter: as for `similarity_search_with_score`.
            recall: as for `similarity_search_with_score`.

        Raises:
            InputError: as for `similarity_search_with_score`.
        """
        index = self._now()
        if index is None:
            positive(k, "k")
            return []
        names, _ = self._found(index, embedding, max(fetch_k, positive(k, "k")), filter, recall)
        if not names:
            return []
        near: list[Any] = list(index.vectors(names))
        chosen = maximal_marginal_relevance(np.asarray(embedding, np.float32), near, lambda_mult, k)
        return documents_in(index, [names[at] for at in chosen])

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> Self:
        """A store with these texts.

        Args:
            texts: as for `add_texts`.
            embedding: makes vectors of them.
            metadatas: as for `add_texts`.
            ids: as for `add_texts`.
            kwargs: the other arguments of the class: metric, path, columns, recall, config.
        """
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    # ---- inside

    def _now(self) -> HierIndex | None:
        """One state of the index for all that one call asks; None while there is nothing in it."""
        index = self._growing.index
        pinned = None if index is None else index.pinned()
        return pinned if pinned else None

    def _found(
        self,
        index: HierIndex,
        embedding: list[float],
        k: int,
        filter: DocumentFilter | None,  # noqa: A002
        recall: float | None,
    ) -> tuple[list[str], list[float]]:
        vector: Float32 = as_vectors(embedding, name="embedding")
        narrowed = None if filter is None else allowed(index, filter, self._schema.names[2:])
        hits = index.search(vector, k, recall=self._recall if recall is None else recall, filter=narrowed)
        there = hits.leaves[0] >= 0
        return hits.ids[0, there].tolist(), hits.distances[0, there].tolist()

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return {
            Metric.COSINE: lambda distance: min(1.0, max(0.0, 1 - distance)),
            Metric.L2: lambda distance: 1 / (1 + distance),
            Metric.IP: lambda distance: float(1 / (1 + np.exp(np.clip(distance, -500, 500)))),
        }[self._metric]


def _refuse(unknown: Mapping[str, object]) -> None:
    if unknown:
        raise InputError(f"arguments should be ones that this store knows; found {sorted(unknown)}")
