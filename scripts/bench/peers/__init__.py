"""The systems that the search benchmark compares, each behind one small face, each run in a process of its own."""

from __future__ import annotations

from bench.peers.autofaiss_choice import AutofaissChoice
from bench.peers.databases import LanceDb, MilvusLite
from bench.peers.face import Peer
from bench.peers.faiss_indexes import Flat, Hnsw, IvfFlat
from bench.peers.graphs import Hnswlib, Usearch
from bench.peers.ours import Dinosearch

PEERS: dict[str, type[Peer]] = {
    peer.name: peer
    for peer in (Dinosearch, IvfFlat, Hnsw, Hnswlib, Usearch, LanceDb, AutofaissChoice, MilvusLite, Flat)
}
"""By name, in the order of the tables. Nothing is imported for a peer until it is used."""
OURS, YARDSTICK = Dinosearch.name, IvfFlat.name
FLAT_ROWS = 100_000
"""Brute force takes part up to here only; beyond, its figures are known to be out of reach."""

__all__ = ["FLAT_ROWS", "OURS", "PEERS", "YARDSTICK", "Peer"]
