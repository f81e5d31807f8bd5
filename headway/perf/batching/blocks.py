"""The KV cache of one replica: so many blocks, and which prefixes lie in them.

A block is held by sequences that run, or free; a free one keeps its content, and may be found again, until the block is
needed for something else: least recently used first, of one sequence the end of it before its beginning (vLLM v1, "the
free queue"). Prefixes are a tree whose edges are runs of blocks, split where prompts part (RadixAttention,
arXiv 2312.07104). Blocks without content are taken before those that have some; vLLM has them in one queue, which
differs by the half-filled last block of each sequence.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from headway.perf.batching.segments import Segment

__all__ = ["Blocks", "Match", "Node"]


class Node:
    """A run of `blocks` under `parent`, from block `skip` of the run `key` on. `held`: by how many sequences that end
    here and children that are held."""

    __slots__ = ("blocks", "children", "held", "key", "parent", "skip")

    def __init__(self, parent: Node | None, key: Hashable, skip: int, blocks: int) -> None:
        self.parent, self.key, self.skip, self.blocks = parent, key, skip, blocks
        self.children: dict[Hashable, Node] = {}
        self.held = 0


class Match:
    """What is found of a prompt: the last `node`, of which only `part` blocks agree, and `blocks` in all, of which
    `free` are held by nobody."""

    __slots__ = ("blocks", "free", "node", "part")

    def __init__(self, node: Node, part: int, blocks: int, free: int) -> None:
        self.node, self.part, self.blocks, self.free = node, part, blocks, free


class Blocks:
    """`free` may be taken, with what they hold or without."""

    def __init__(self, total: int) -> None:
        self.total = self.free = total
        self.root = Node(None, None, 0, 0)
        self.root.held = 1
        self._unheld: OrderedDict[Node, None] = OrderedDict()
        self._kept = 0  # free blocks that have content

    @property
    def used(self) -> int:
        return self.total - self.free

    @property
    def kept(self) -> int:
        """Free blocks in which a prefix lies."""
        return self._kept

    def take(self, count: int) -> None:
        """For whom they are taken knows it."""
        self.free -= count
        while self.free < self._kept:
            node = next(iter(self._unheld))
            gone = min(node.blocks, self._kept - self.free)
            node.blocks -= gone
            self._kept -= gone
            if not node.blocks:
                self._drop(node)

    def give(self, count: int) -> None:
        """Back, without content."""
        self.free += count

    # prefixes

    def find(self, runs: Sequence[Segment], most: int) -> Match:
        """The longest beginning of these runs that lies here, up to `most` blocks. Nothing changes."""
        node, part, blocks, free = self.root, 0, 0, 0
        for key, length in runs:
            skip = 0
            while skip < length and blocks < most:
                child = node.children.get((key, skip) if skip else key)
                if child is None:
                    return Match(node, part, blocks, free)
                node, part = child, min(child.blocks, length - skip, most - blocks)
                blocks += part
                skip += part
                if not child.held:
                    free += part
                if part < child.blocks:
                    return Match(node, part, blocks, free)
            if skip < length:
                break
        return Match(node, part, blocks, free)

    def hold(self, match: Match) -> Node:
        """A sequence begins with what was found."""
        node = match.node
        if match.part < node.blocks:
            node = self._split(node, match.part)
        self._hold(node)
        return node

    def extend(self, leaf: Node, key: Hashable, skip: int, blocks: int) -> Node | None:
        """The sequence that ends at `leaf` has computed so many more, which it had taken. None: the same lies here
        already, and what it has remains its own."""
        name = (key, skip) if skip else key
        if name in leaf.children:
            return None
        child = leaf.children[name] = Node(leaf, key, skip, blocks)
        child.held = 1
        return child

    def leave(self, node: Node) -> None:
        """The sequence that ended here is no more; what it held stays as long as there is room."""
        while True:
            node.held -= 1
            if node.held or node.parent is None:
                return
            if node.blocks:
                self._unheld[node] = None
                self._kept += node.blocks
                self.free += node.blocks
            node = node.parent

    def keep(self, leaf: Node, blocks: int) -> None:
        """So many taken ones hold text behind `leaf` that nobody asks for again: it takes room until it is oldest."""
        node = Node(leaf, None, 0, blocks)
        self._unheld[node] = None
        self._kept += blocks
        self.free += blocks

    def _hold(self, node: Node | None) -> None:
        while node is not None:
            node.held += 1
            if node.held > 1:
                return
            del self._unheld[node]
            self._kept -= node.blocks
            self.free -= node.blocks
            node = node.parent

    def _split(self, node: Node, at: int) -> Node:
        """The new node that has its first `at` blocks."""
        parent = node.parent
        if parent is None:
            raise ValueError("the root has no blocks")
        head = Node(parent, node.key, node.skip, at)
        parent.children[(node.key, node.skip) if node.skip else node.key] = head
        node.parent, node.skip, node.blocks = head, node.skip + at, node.blocks - at
        head.children[(node.key, node.skip)] = node
        if node.held:
            head.held = 1
        else:
            self._unheld[head] = None  # as if used last, which it is about to be
        return head

    def _drop(self, node: Node) -> None:
        del self._unheld[node]
        parent = node.parent
        if parent is not None:
            name = (node.key, node.skip) if node.skip else node.key
            if parent.children.get(name) is node:
                del parent.children[name]
