"""The tree for other programs: Newick, GraphML, RDF (Turtle, N-Triples) and Parquet."""

from hierindex.export.outline import Outline
from hierindex.export.rdf import BASE
from hierindex.export.write import Format, whole_file, write, write_text

__all__ = ["BASE", "Format", "Outline", "whole_file", "write", "write_text"]
