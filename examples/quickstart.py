"""Digits to index in ten lines; the README shows these lines and a test runs them."""

import numpy as np
from sklearn.datasets import load_digits

from hierindex import HierIndex

images = (load_digits().images * 255 / 16).astype(np.uint8)  # (1797, 8, 8), no labels
index = HierIndex.build(images[:1500], path="digits.index")  # learns encoder and tree: a minute or two on two cores
hits = index.search(images[1500], k=5, recall=0.95)  # ids, true distances, leaves: (1, 5) each
print(hits.ids, hits.distances)
print(index.path(hits.ids[0, 0]))  # the nodes from the root to the leaf that holds the best hit
print(np.bincount(index.labels(n_clusters=10)))  # the tree cut into ten branches
index.add(images[1500:])  # found by the next search, and on disk when this returns
print(HierIndex.open("digits.index").search(images[1600], k=1).ids)  # [[1600]]
