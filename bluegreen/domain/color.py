"""Colors, the labels that say which container is whose, and how things are counted in words."""

from __future__ import annotations

from typing import Literal, get_args

Color = Literal["blue", "green"]
COLORS: tuple[Color, ...] = get_args(Color)
Role = Literal["routed", "job", "proxy"]
TaskRole = Literal["migration", "once"]
# Where a container of a color is: in its slot, set aside while a new release is made, or of a release that failed.
Place = Literal["slot", "aside", "failed"]
LABEL_APP = "bluegreen.app"
LABEL_COLOR = "bluegreen.color"
LABEL_SERVICE = "bluegreen.service"
LABEL_RELEASE = "bluegreen.release"
LABEL_ROLE = "bluegreen.role"
LABEL_NUMBER = "bluegreen.number"
LABEL_DEFINITION = "bluegreen.definition"
LABEL_STATE = "bluegreen.state"  # of the proxy: where the state of its app is
LABEL_PROJECT = "bluegreen.project"  # and the project's folder when it was made
LABEL_LISTEN = "bluegreen.listen"  # of the proxy: where it is published, [ADDRESS:]PORT, a space between two
LABEL_PREVIEW = "bluegreen.preview"  # and where its preview is; empty: nowhere
LABEL_TLS = "bluegreen.tls"  # and where it is published for HTTPS, as listen
LABEL_EDGE = "bluegreen.edge"  # and the edge through which visitors come; of the edge: itself
LABEL_IMAGE = "bluegreen.image"  # and the name of the image that it was made from
LABEL_PORTS = "bluegreen.ports"  # of the first container: a hash of what only another one with the ports can change
LABEL_AFTER = "bluegreen.after"  # of one whose nginx took over: the container that has the ports
LABEL_BLOCK = "bluegreen.block"  # of the app's own network: the subnet that it shares with the app's other networks
LABEL_RESTART = "bluegreen.restart"  # the policy that the service asks for, while another one is set


def other(color: Color) -> Color:
    """The color across from this one."""
    return "green" if color == "blue" else "blue"
