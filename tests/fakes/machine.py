"""One machine as the stories see it: containers, one nginx that follows the route, images. Honest about what serves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bluegreen.domain.app import Listen
from bluegreen.domain.color import Color, Place
from bluegreen.domain.owner import Owner
from bluegreen.domain.release import Image
from bluegreen.domain.routing import ControlAnswer, Routing
from bluegreen.domain.world import DockerHealth, PlainContainer, ProxyContainer, Replica, SharedState, TaskContainer
from bluegreen.errors import BluegreenError
from bluegreen.flow.values import Check, ImageWish, Order
from bluegreen.frontdoor.files import Files, read_routing
from bluegreen.frontdoor.text import activate
from bluegreen.places.docker.addresses import container_name
from bluegreen.places.docker.held import held_name

NGINX = "1.30.6"


@dataclass
class Machine:
    """What outlives a command: containers, the running nginx and the files that it reads."""

    app: str
    files: Files
    replicas: dict[str, Replica] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    proxy: ProxyContainer | None = None
    loaded: Routing | None = None  # what nginx has loaded; None: it does not run
    sick: set[str] = field(default_factory=set)  # release numbers, as text, whose replicas answer 503
    wakes: set[str] = field(default_factory=set)  # those that are well once they were waited for
    docker_says: dict[str, str] = field(default_factory=dict)  # release number, as text, to Docker's own health
    images: dict[str, str] = field(default_factory=dict)  # reference -> id, for those that were made
    shared: set[str] = field(default_factory=set)
    plain: dict[str, PlainContainer] = field(default_factory=dict)  # what plain Compose has, by id
    published: set[str] = field(default_factory=set)  # ids of those that have the public port once they run
    at: dict[str, str] = field(default_factory=dict)  # address on the app's network -> id of such a one
    plain_sick: bool = False  # they answer 503, and nothing on the public port
    unreached: set[str] = field(default_factory=set)  # listeners on which nothing answers
    made: int = 0
    log: list[bytes] = field(default_factory=list)  # nginx's, each line behind the Engine's time stamp

    def answer(self) -> ControlAnswer | None:
        if self.loaded is None or self.proxy is None or not self.proxy.running:
            return None
        from bluegreen.frontdoor import route

        live, share = self.route() or self.loaded.live, route.share(self.files.folder)
        canary = share[1] if share else 0
        return ControlAnswer(self.app, self.loaded.generation, live, NGINX, 7, self.loaded.live, canary=canary)

    def route(self) -> Color | None:
        from bluegreen.frontdoor import route

        found = route.read(self.files.folder)
        return "blue" if found == "blue" else "green" if found == "green" else None

    def start_nginx(self) -> None:
        found = read_routing(self.files.loaded_text() or "")
        assert found is not None, "nginx is started with a file that is ours"
        self.loaded = found

    def open(self) -> bool:
        """Whether anybody answers on the public port."""
        plain = [it for it in self.plain.values() if it.running and it.id in self.published]
        return bool(self.answer()) or bool(plain and not self.plain_sick)

    def served(self) -> list[str]:
        """What is wrong with what visitors get now: addresses of the live color at which nobody healthy listens."""
        answer = self.answer()
        if answer is None or answer.live is None or self.loaded is None:
            return []
        slot = self.loaded.slots.get(answer.live)
        if slot is None:
            return [f"nginx knows nothing of {answer.live}"]
        listening = {it.address for it in self.replicas.values() if it.running and str(it.release) not in self.sick}
        wanted = [address for addresses in slot.addresses.values() for address in addresses]
        return [address for address in wanted if address not in listening]


class FakeContainers:
    """ContainersPort."""

    def __init__(self, machine: Machine) -> None:
        self.it = machine

    def replicas(self) -> tuple[Replica, ...]:
        return tuple(sorted(self.it.replicas.values(), key=lambda replica: replica.name))

    def start(self, container: str) -> None:
        if container in self.it.plain:
            assert container not in self.it.published or self.it.answer() is None, "the port is held"
            self.it.plain[container] = replace(self.it.plain[container], running=True)
            return
        found = self.it.replicas.get(container)
        assert found is None or found.place == "slot", f"{found} is started where it does not stand"
        self._set(container, state="running", health=self.it.docker_says.get(str(found.release)) if found else None)

    def stop(self, container: str, grace: int | None = None) -> None:  # noqa: ARG002 - the port's
        if self.it.proxy and container == self.it.proxy.id:
            self.it.proxy, self.it.loaded = replace(self.it.proxy, state="exited"), None
            return
        self._set(container, state="exited", status="Exited (0) a moment ago")

    def remove(self, container: str, volumes: bool = True) -> None:  # noqa: ARG002 - the port's
        self.it.replicas.pop(container, None)
        self.it.plain.pop(container, None)

    def connect(self, container: str, address: str) -> str:
        if container in self.it.plain:
            there = next((at for at, who in self.it.at.items() if who == container), address)
            self.it.at[there] = container
            return there
        self._set(container, address=address)
        return address

    def never_restart(self, container: str) -> None:
        self.it.policies[container] = "no"

    def restart_as_defined(self, replica: Replica) -> None:
        self.it.policies[replica.id] = replica.restart

    def move(self, replica: Replica, place: Place) -> None:
        name = container_name(self.it.app, replica.color, replica.service, replica.number, place)
        if any(it.name == name for it in self.it.replicas.values()):
            raise BluegreenError("The name is taken.", failed=name, expected="a free name")
        self._set(replica.id, name=name, place=place)

    def log_tail(self, container: str, lines: int) -> list[str]:  # noqa: ARG002 - the port's
        return ["a last line"]

    def read_log(self, *_: Any, **__: Any) -> Iterator[bytes]:
        return iter([b"%b\n" % line for line in self.it.log])

    def docker_health(self, container: str) -> DockerHealth:  # noqa: ARG002 - the port's
        return DockerHealth(0.0)

    def exit_of(self, container: str) -> tuple[int, int, str]:  # noqa: ARG002 - the port's
        return 1, 5, ""

    def task_containers(self, role: str) -> tuple[TaskContainer, ...]:  # noqa: ARG002 - the port's
        return ()

    def _set(self, container: str, **values: Any) -> None:
        if container not in self.it.replicas:
            raise BluegreenError("There is no such container.", failed=container, expected="it to be there")
        self.it.replicas[container] = replace(self.it.replicas[container], **values)


class FakeColors:
    """ColorsPort."""

    def __init__(self, machine: Machine) -> None:
        self.it = machine

    def ensure_network(self) -> None:
        pass

    def ensure_prerequisites(self, stack: object, color: Color, tell: object) -> None:
        pass

    def free_addresses(self, release: int, count: int, avoid: frozenset[str]) -> list[str]:  # noqa: ARG002
        free = (f"172.20.{number // 250}.{number % 250 + 2}" for number in range(self.it.made * 3 + 1, 10_000))
        return [address for address, _ in zip((it for it in free if it not in avoid), range(count), strict=False)]

    def create(self, stack: Any, order: Order) -> str:
        self.it.made += 1
        name = f"{stack.app}-{order.color}-{order.service}-{order.number}"
        if any(it.name == name for it in self.it.replicas.values()):
            raise BluegreenError("The name is taken.", failed=name, expected="a free name")
        identity = f"id{self.it.made}"
        self.it.replicas[identity] = Replica(
            identity, name, order.color, order.service, order.number, order.release, order.role, "created", None,
            order.address, order.image.id, order.definition,
        )  # fmt: skip
        self.it.policies[identity] = "always"
        return identity

    def dependency(self, service: str) -> SharedState | None:
        return SharedState(service, "running", None, 0) if service in self.it.shared else None


class FakeImages:
    """ImagesPort."""

    def __init__(self, machine: Machine) -> None:
        self.it = machine

    def of_service(self, stack: Any, service: str, how: ImageWish, tell: object) -> Image:  # noqa: ARG002 - the port's
        if how.pinned:
            return how.pinned
        reference = how.override or stack.image_reference(service)
        self.it.images[reference] = f"sha256:{reference}"
        return Image(reference, self.it.images[reference])

    def hold(self, image: str, service: str, release: int) -> None:
        assert image in self.it.images.values(), f"{image} is held, and not there"
        self.it.images[held_name(self.it.app, service, release)] = image

    def held(self) -> Mapping[str, int]:
        ours = [name for name in self.it.images if name.startswith(f"bluegreen/{self.it.app}/")]
        return {name: int(name.rpartition(":")[2]) for name in ours}

    def let_go(self, name: str) -> None:
        self.it.images.pop(name, None)

    def id_of(self, reference: str) -> str | None:
        found = reference if reference in self.it.images.values() else None
        return found or self.it.images.get(reference)

    def remove(self, image: str, references: frozenset[str]) -> bool:  # noqa: ARG002 - the port's
        gone = [name for name, identity in self.it.images.items() if identity == image]
        for name in gone:
            del self.it.images[name]
        return bool(gone)


class FakeProxy:
    """ProxyPort."""

    def __init__(self, machine: Machine) -> None:
        self.it = machine

    def container(self) -> ProxyContainer | None:
        return self.it.proxy

    def restart(self, container: str, grace: int) -> None:  # noqa: ARG002 - the port's
        self.it.start_nginx()

    def version(self, stack: object, tell: object) -> str:  # noqa: ARG002 - the port's
        return NGINX

    def ensure(self, stack: Any, tell: object, published: bool = True) -> str:  # noqa: ARG002 - the port's
        self.it.proxy = ProxyContainer("p", f"{stack.app}-proxy", "running", "same", "172.20.0.2", published)
        self.it.start_nginx()
        return "started"

    def try_out(self, stack: object, command: Sequence[str], tell: object) -> tuple[int, str]:  # noqa: ARG002
        return (0, "") if all(command) else (1, "[emerg] no text")

    def definition(self, stack: object) -> str:  # noqa: ARG002 - the port's
        return "same"

    def ports(self, stack: object) -> str:  # noqa: ARG002 - the port's
        return ""

    def successor(self, stack: object, tell: object) -> Any:
        raise NotImplementedError("a machine's proxy has no ports to keep")


class FakeEngine:
    """EnginePort."""

    def __init__(self, machine: Machine) -> None:
        self.it = machine

    def plain_containers(self) -> tuple[PlainContainer, ...]:
        return tuple(self.it.plain.values())

    def remove_tasks(self) -> None:
        pass

    def publishes_here(self) -> bool:
        return True

    def port_holder(self, listen: object) -> str | None:  # noqa: ARG002 - the port's
        return None

    def port_holders(self, listeners: Sequence[Listen]) -> dict[Listen, str | None]:
        return dict.fromkeys(listeners)

    def owners(self) -> dict[str, Owner]:
        return {}

    def port_process(self, listen: object) -> str:  # noqa: ARG002 - the port's
        return ""

    def remove_leftovers(self) -> list[str]:
        gone = [it.name for it in self.it.replicas.values()]
        self.it.replicas.clear()
        self.it.proxy, self.it.loaded = None, None
        return gone

    def remove_network(self, name: str) -> bool:  # noqa: ARG002 - the port's
        return True

    def remove_volume(self, name: str) -> bool:  # noqa: ARG002 - the port's
        return True


class FakeDoor:
    """DoorPort: texts are headers alone; the files and the route are real."""

    def __init__(self, machine: Machine, text: Callable[[Routing], str]) -> None:
        self.it, self.text = machine, text

    def answer(self, wait: bool = False) -> ControlAnswer | None:  # noqa: ARG002 - a reload takes no time here
        return self.it.answer()

    def intended(self) -> Routing | None:
        return self.it.files.routing()

    def loaded_text(self) -> str | None:
        return self.it.files.loaded_text()

    def edited(self) -> bool:
        return self.it.files.edited()

    def last_word(self, app: str, answer: ControlAnswer | None) -> tuple[ControlAnswer | None, bool]:  # noqa: ARG002
        return answer, False

    def in_flight(self, addresses: frozenset[str]) -> int:  # noqa: ARG002 - the port's
        return 0

    def render(self, routing: Routing, stack: object, today: bool = True) -> str:  # noqa: ARG002 - the port's
        text: str = self.text(routing)
        return text

    def first(self, text: str, generation: int, since: str, live: Color | None, run: Any) -> None:
        assert run([text])[0] == 0
        self.it.files.write(activate(text, generation, since))
        if live:
            self.it.files.turn(live, keep=True)

    def differs(self, text: str, generation: int, since: str, colors: Collection[Color]) -> bool:
        stored = all(self.it.files.stored(color) is not None for color in colors)
        return not stored or activate(text, generation, since) != self.it.files.loaded_text()

    def load(self, text: str, sealed: Mapping[Color, str], live: Color | None, since: str, new: object = None) -> int:
        assert new is None, "its proxy has no ports to keep"
        assert all([text, *sealed.values()])
        self.it.files.store(dict(sealed))
        self.it.files.turn(live, keep=True)
        return self._load(text, since)

    def turn(self, color: Color | None, percent: int = 100) -> None:
        self.it.files.turn(color, percent)

    def confirm(self, color: Color | None, percent: int = 100) -> str | None:
        answer = self.it.answer()
        sends = answer and answer.sends(color, percent)
        return None if sends else f"nginx answers {answer.words() if answer else 'nothing'}"

    def seal(self, color: Color, since: str, wait: bool = True) -> int:  # noqa: ARG002 - a reload takes no time here
        content = self.it.files.stored(color)
        if content is None:
            raise BluegreenError("The rendered file is gone.", failed=color, expected="a text for each color")
        return self._load(content, since)

    def tidy(self, settled: bool = False) -> None:  # noqa: ARG002 - there are no snippets
        self.it.files.tidy()

    def _load(self, content: str, since: str) -> int:
        known = [it.generation for it in (self.it.answer(), self.it.files.routing()) if it]
        self.it.files.write(activate(content, max(known, default=0) + 1, since))
        self.it.start_nginx()
        assert self.it.loaded is not None
        return self.it.loaded.generation


class FakeCertificates:
    """CertificatesPort: of an app without TLS."""

    def missing(self, stack: Any) -> tuple[str, ...]:  # noqa: ARG002 - the port's
        return ()

    def ensure(self, stack: Any) -> str:  # noqa: ARG002 - the port's
        return ""


class FakeEdge:
    """EdgePort: of an app without an edge."""

    def lacks(self, *_: Any) -> str:
        return ""

    def left(self, stack: Any) -> str:  # noqa: ARG002 - the port's
        return ""

    def goes(self, stack: Any) -> tuple[str, ...]:  # noqa: ARG002 - the port's
        return ()

    def unbound(self, stack: Any) -> bool:  # noqa: ARG002 - the port's
        return False

    def ask(self, stack: Any) -> None:
        pass

    def prepare(self, stack: Any) -> None:
        pass

    def ensure(self, *_: Any) -> str:
        return ""

    def leave(self) -> str:
        return ""


class FakeStatic:
    """StaticPort: of an app whose files nginx does not serve."""

    def take(self, release: int, sources: Any) -> tuple[int, int]:  # noqa: ARG002 - the port's
        return 0, 0

    def has(self, release: int) -> bool:  # noqa: ARG002 - the port's
        return True

    def forget(self, kept: Collection[int]) -> int:  # noqa: ARG002 - the port's
        return 0

    def sizes(self) -> dict[int, int]:
        return {}


class FakeProber:
    """ProberPort: a replica is healthy when it runs at its address and its release is not sick."""

    def __init__(self, machine: Machine) -> None:
        self.it = machine

    def once(self, checks: Sequence[Check]) -> dict[str, str]:
        return {check.name: wrong for check in checks if (wrong := self._wrong(check))}

    def public(self, listens: Sequence[str], host: str | None, path: str) -> list[str]:  # noqa: ARG002 - the port's
        closed = set() if self.it.open() else set(listens)
        return [f"{listen} refused the connection" for listen in listens if listen in self.it.unreached | closed]

    def visit(self, listen: str, *_: Any) -> tuple[int, float, str]:
        silent = listen in self.it.unreached or not self.it.open()
        return (0, 0.0, "refused the connection") if silent else (502 if self.it.served() else 200, 0.001, "")

    def secure(self, listens: Sequence[str], host: str) -> list[str]:  # noqa: ARG002 - the port's
        return []

    def wait(self, checks: Sequence[Check], between: Any) -> dict[str, tuple[int, str]]:
        between("probed")
        self.it.sick -= self.it.wakes
        return {name: (1, words) for name, words in self.once(checks).items()}

    def _wrong(self, check: Check) -> str | None:
        if check.address is None:
            return None
        if (plain := self.it.plain.get(self.it.at.get(check.address, ""))) and plain.running:
            return "answered 503" if self.it.plain_sick else None
        here = [it for it in self.it.replicas.values() if it.address == check.address and it.running]
        if not here:
            return "did not answer on port 8000"
        return "answered 503" if str(here[0].release) in self.it.sick else None
