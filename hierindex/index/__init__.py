"""The search index: leaves under a tree, a router down to them, and scans of them. NumPy and FAISS, no torch."""
