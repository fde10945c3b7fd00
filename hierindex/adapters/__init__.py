"""An index in the terms of other projects: scikit-learn, LangChain, FAISS, and tables of rows.

Each module is imported by its own name, and loads only the project that it is for:

    from hierindex.adapters.sklearn import HierCluster, HierNeighborsTransformer
    from hierindex.adapters.langchain import HierIndexVectorStore
    from hierindex.adapters.faiss import IndexHier
    from hierindex.adapters import frames
"""
