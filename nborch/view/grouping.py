"""Grouping: what is drawn of a run. Many runs of one task are drawn as one.

The same as ``static/grouping.js`` does, which can also open what is closed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nborch.showing import WORST

__all__ = ["Item", "Scene", "arranged", "counted"]

#: More runs of one task side by side are drawn as one.
MANY = 12

#: With more items to see, subflows are closed.
CROWD = 300

Node = Mapping[str, Any]


@dataclass(eq=False, slots=True)
class Item:
    """What is drawn as one: a run, a subflow, or many runs of a task.

    Parameters
    ----------
    node
        The run; of many the first one.
    members
        The runs that it stands for, those within included.
    children, arrows
        What is drawn within it, if it is open.
    """

    node: Node
    is_many: bool = False
    around: "Item | None" = None
    members: list[Node] = field(default_factory=list)
    children: list["Item"] = field(default_factory=list)
    arrows: dict[tuple["Item", "Item"], None] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What it is called; of a subflow, the flow comes first."""
        of, name = str(self.node["of"] or ""), str(self.node["name"])
        if self.is_many:
            return of or name
        if self.node.get("kind") == "flow" and of not in {"", name}:
            return f"{of} · {name}"
        return name

    @property
    def is_one(self) -> bool:
        """Tell whether it is one run without others within."""
        return not self.is_many and self.members == [self.node]

    @property
    def state(self) -> tuple[str, str]:
        """The type and the name of its state."""
        if not self.is_many:
            return self.node["state"]["type"], self.node["state"]["name"]
        found = {node["state"]["type"]: node["state"]["name"] for node in self.members}
        kind = next((each for each in WORST if each in found), next(iter(found)))
        return kind, found[kind]

    @property
    def level(self) -> int:
        """How many items are around it."""
        level, around = 0, self.around
        while around is not None:
            level, around = level + 1, around.around
        return level


@dataclass(slots=True)
class Scene:
    """What is drawn: the items side by side, and the arrows between them."""

    items: list[Item]
    arrows: dict[tuple[Item, Item], None]

    def walk(self) -> Iterator[Item]:
        """Yield all items, those around others first."""
        waiting = self.items[::-1]
        while waiting:
            item = waiting.pop()
            yield item
            waiting += item.children[::-1]


def arranged(nodes: Sequence[Node]) -> Scene:
    """Return the items that stand for the nodes of a run.

    >>> task = {"of": "load", "name": "load", "state": {"type": "COMPLETED"}}
    >>> nodes = [{**task, "id": str(n)} for n in range(20)]
    >>> [len(item.members) for item in arranged(nodes).items]
    [20]
    """
    nodes = sorted(nodes, key=lambda node: node.get("order") or 0)
    arrangement = _Arrangement(nodes, is_crowded=False)
    scene = arrangement.scene()
    if sum(not item.children for item in scene.walk()) > CROWD:
        arrangement = _Arrangement(nodes, is_crowded=True)
        scene = arrangement.scene()
    return scene


def counted(nodes: Iterable[Node]) -> Counter[tuple[str, str]]:
    """Return how many nodes are in each state, by its type and what it is called."""
    found: Counter[tuple[str, str]] = Counter()
    for node in nodes:
        kind, name = node["state"]["type"], node["state"]["name"]
        # What all of a type are called, unless it says something of its own.
        own = node.get("kind") == "cell" or name == "Cached"
        found[kind, name if own else kind.title()] += 1
    return found


class _Arrangement:
    """One way to draw nodes."""

    def __init__(self, nodes: Sequence[Node], *, is_crowded: bool) -> None:
        self._is_crowded = is_crowded
        self._nodes = {node["id"]: node for node in nodes}
        self._within: dict[str | None, list[Node]] = {}
        for node in nodes:
            self._within.setdefault(self._parent(node), []).append(node)
        self._classes: dict[str, int] = {}
        self._shown: dict[str, Item] = {}

    def scene(self) -> Scene:
        """Return what is drawn."""
        self._classify()
        scene = Scene(self._siblings(None, None), {})
        for node in self._nodes.values():
            item = self._shown[node["id"]]
            for upstream in node.get("upstream") or ():
                source = self._shown.get(upstream)
                pair = _side_by_side(source, item) if source is not None else None
                if pair is not None:
                    around = pair[0].around
                    (scene.arrows if around is None else around.arrows)[pair] = None
        return scene

    def _parent(self, node: Node) -> str | None:
        """Return the node around another, if that is known and leads out of it."""
        parent = node.get("parent")
        seen = {node["id"]}
        above = parent
        while above is not None and above in self._nodes:
            if above in seen:
                return None
            seen.add(above)
            above = self._nodes[above].get("parent")
        return parent if parent in self._nodes else None

    def _classify(self) -> None:
        """Give each node a number, the same to those that may be drawn as one.

        They are runs of one task side by side, after runs that may be drawn as one.
        """
        numbers: dict[Any, int] = {}
        begun: set[str] = set()
        for node in self._nodes.values():
            waiting = [node]
            while waiting:
                last = waiting[-1]
                name = last["id"]
                upstream = [] if name in begun else last.get("upstream") or ()
                begun.add(name)
                before = [
                    self._nodes[each]
                    for each in upstream
                    if each in self._nodes and each not in begun
                ]
                if before:
                    waiting += before
                    continue
                waiting.pop()
                if name not in self._classes:
                    key = self._key(last)
                    self._classes[name] = numbers.setdefault(key, len(numbers))

    def _key(self, node: Node) -> Any:
        if node.get("kind") == "cell":
            return node["id"]
        upstream = node.get("upstream") or ()
        after = frozenset(self._classes[n] for n in upstream if n in self._classes)
        return after, node.get("parent"), node.get("kind"), node["of"]

    def _siblings(self, parent: str | None, around: Item | None) -> list[Item]:
        alike: dict[int, list[Node]] = {}
        for node in self._within.get(parent, ()):
            alike.setdefault(self._classes[node["id"]], []).append(node)
        items = []
        for node in self._within.get(parent, ()):
            members = alike[self._classes[node["id"]]]
            if len(members) <= MANY:
                items.append(self._single(node, around))
            elif members[0] is node:
                item = Item(node, is_many=True, around=around, members=members)
                for member in members:
                    self._hide(member, item)
                items.append(item)
        return items

    def _single(self, node: Node, around: Item | None) -> Item:
        item = Item(node, around=around, members=[node])
        self._shown[node["id"]] = item
        if node["id"] in self._within:
            item.members = self._leaves(node)
            if self._is_crowded:
                self._hide(node, item)
            else:
                item.children = self._siblings(node["id"], item)
        return item

    def _hide(self, node: Node, item: Item) -> None:
        """Note that a node and all within it are shown by an item."""
        waiting = [node]
        while waiting:
            hidden = waiting.pop()
            self._shown[hidden["id"]] = item
            waiting += self._within.get(hidden["id"], ())

    def _leaves(self, node: Node) -> list[Node]:
        found = []
        waiting = self._within[node["id"]][::-1]
        while waiting:
            last = waiting.pop()
            within = self._within.get(last["id"])
            if within is None:
                found.append(last)
            else:
                waiting += within[::-1]
        return found


def _side_by_side(one: Item, other: Item) -> tuple[Item, Item] | None:
    """Return two items, or those around them that stand side by side.

    None if one is within the other.
    """
    a: Item | None = one
    b: Item | None = other
    while a is not None and b is not None and a.around is not b.around:
        below = a.level - b.level
        if below >= 0:
            a = a.around
        if below <= 0:
            b = b.around
    return (a, b) if a is not None and b is not None and a is not b else None
