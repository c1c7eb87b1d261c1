"""Has the edge's nginx serve what the claims say: made, started, loaded, or replaced by another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bluegreen.domain.app import Edge, Stack
from bluegreen.domain.edge import Claim, labelled, stack_of
from bluegreen.domain.words import counted
from bluegreen.domain.world import NewNginx
from bluegreen.flow.observe import observe
from bluegreen.flow.prerequisites import refuse_old, run_proxy
from bluegreen.flow.proxy_image import moved
from bluegreen.flow.values import Tools
from bluegreen.plans.plan import Wish
from bluegreen.plans.steps import can_follow, differs

Render = Callable[[Edge, Sequence[Claim]], str]
Run = Callable[[Sequence[str]], tuple[int, str]]
Check = Callable[[str, Run | None], None]  # nginx -t on a text, in the nginx that runs or by this


class Serving:
    """The edge as it is, and as it has to become. `tools`: its own; `image`: for one that has none yet."""

    def __init__(self, tools: Tools, edge: Edge, image: str, render: Render, check: Check) -> None:
        self.tools, self._edge, self._render, self._check = tools, edge, render, check
        self.world = observe(tools, thorough=True)
        proxy = self.world.proxy
        self.stack: Stack = stack_of(edge, edge.image or (proxy.reference if proxy else "") or image)
        known = not edge.image or proxy is None or proxy.reference == edge.image  # else the definition says it
        self._wish = Wish(
            definition="", replicas={}, jobs=(), shared=(), release=0,
            proxy_definition=tools.proxy.definition(self.stack), proxy_ports=tools.proxy.ports(self.stack),
            proxy_image=(moved(tools, proxy) or "") if known else "",
        )  # fmt: skip

    @property
    def found(self) -> Edge | None:
        """What the edge that there is says of itself; None: there is none."""
        return labelled(self.world.proxy.edge) if self.world.proxy else None

    def lacks(self, claims: Sequence[Claim], thorough: bool) -> str:
        """Why it does not serve these claims as it should, in words; empty: it does. `thorough`: its image, too."""
        proxy = self.world.proxy
        if proxy is None:
            return "there is no edge on this machine yet"
        if not self._answers():
            return f"the edge is {proxy.state if not proxy.running else 'not answering'}"
        if thorough and differs(self.world, self._wish):
            return "its image or its settings have changed"
        if self._text_differs(self._render(self._edge, claims)):
            return "its names are not those of today's settings and releases"
        return ""

    def rehearse(self, claims: Sequence[Claim]) -> None:
        """Raises BluegreenError when its image is not there, or its nginx refuses the file. Nothing changes."""
        running = self._answers() and not differs(self.world, self._wish)
        if not running:
            refuse_old(self.tools, self.stack)
        self._check(self._render(self._edge, claims), None if running else self._try_out)

    def serve(self, claims: Sequence[Claim]) -> str:
        """What was done, in words. Raises BluegreenError; the edge then serves what it served."""
        tools, text, world = self.tools, self._render(self._edge, claims), self.world
        what = counted(len(claims), "app")
        if self._answers() and not differs(world, self._wish):
            if not self._text_differs(text):
                return f"serves {what}"
            return f"generation {self._load(text)}, {what}"
        if self._answers() and can_follow(world, self._wish.proxy_ports):
            version = refuse_old(tools, self.stack)
            new = tools.proxy.successor(self.stack, tools.show.progress)
            return f"nginx {version} took over, no connection waited; generation {self._load(text, new)}, {what}"
        generation = (world.intended.generation if world.intended else 0) + 1
        tools.door.first(text, generation, "", None, self._try_out)
        proxy = world.proxy
        if proxy and proxy.running and proxy.stale and proxy.definition == self._wish.proxy_definition:
            tools.proxy.restart(proxy.id, 2)
        return f"{run_proxy(tools, self.stack)}, {what}"

    def _answers(self) -> bool:
        proxy = self.world.proxy
        return bool(proxy and proxy.running and proxy.published and not proxy.stale and self.world.answer)

    def _load(self, text: str, new: NewNginx | None = None) -> int:
        with self.tools.signals.deferred():
            return self.tools.door.load(text, {}, None, "", new)

    def _text_differs(self, text: str) -> bool:
        answer, there = self.world.answer, self.world.intended
        if answer is None or there is None or answer.generation != there.generation:
            return True
        return self.tools.door.differs(text, there.generation, "", ())

    def _try_out(self, command: Sequence[str]) -> tuple[int, str]:
        return self.tools.proxy.try_out(self.stack, command, self.tools.show.progress)
